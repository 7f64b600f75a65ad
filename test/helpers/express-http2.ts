import { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Misused } from "../origins/scenario.js";

/**
 * Express for `node:http2`. Express gives each request and response a prototype of its own whose parents are
 * those of `node:http`, which know nothing of a stream; here they are those of the compatibility API.
 */
export function overHttp2(express: Misused): Misused {
  const over = (own: object, parent: object) => Object.create(parent, Object.getOwnPropertyDescriptors(own));
  const request = over(express.request, Http2ServerRequest.prototype);
  const response = over(express.response, Http2ServerResponse.prototype);
  const make = () => {
    const app = express();
    const known = { configurable: true, enumerable: true, writable: true, value: app };
    app.request = Object.create(request, { app: known });
    app.response = Object.create(response, { app: known });
    return app;
  };
  return Object.assign(make, express);
}
