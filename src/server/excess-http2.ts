import { Http2ServerRequest, Http2ServerResponse, performServerHandshake, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { contained, type Witness } from "../containment.js";

type OnStream = (stream: never, headers: never, flags: number, rawHeaders: string[]) => void;

/**
 * Speaks HTTP/2 on a connection that belongs to no server, until its first requests are answered.
 * @param answer - ends each of them
 */
export function answerHttp2(
  socket: Socket,
  witness: Witness,
  answer: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
): void {
  const session: ServerHttp2Session = performServerHandshake(socket as Duplex as never);
  const onStream: OnStream = (stream, headers, _flags, rawHeaders) => {
    // What Node does for a listener of "request".
    const request = new Http2ServerRequest(stream, headers, {}, rawHeaders as never);
    const response = new Http2ServerResponse(stream);
    answer(request, response);
    // Tells the client that no further stream is taken, and ends when the last one has.
    if (!session.closed) session.close();
  };
  session.on("stream", contained(witness, onStream) as never);
  session.on("error", () => undefined);
}
