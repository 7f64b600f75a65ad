import { createServer } from "node:http";
import { Readable } from "node:stream";
import { die, page, pieces } from "./work.js";

const server = createServer(async (request, response) => {
  const [, route, id] = request.url.split("/");
  response.setHeader("Content-Type", "text/plain");
  if (route === "page") response.end(await page(id));
  else if (route === "pieces") Readable.from(pieces(id)).pipe(response);
  else die[id]();
});
server.listen(Number(process.env.PORT), "127.0.0.1");
