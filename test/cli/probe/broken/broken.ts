import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { Server as TcpServer } from "node:net";
import type { FindingId } from "../../../../src/cli/probe/catalogue.js";
import type { ProbeSettings } from "../../../../src/cli/probe/probe.js";

/** An origin server that is broken in one way, and what must be found. */
export interface Broken {
  readonly name: string;
  readonly start: () => TcpServer | Promise<TcpServer>;
  readonly finds: readonly FindingId[];
  /** Errors that come along with it. */
  readonly besides?: readonly FindingId[];
  readonly settings?: Partial<ProbeSettings>;
  /** Spoken to over TLS. */
  readonly secure?: boolean;
}

type Break = (request: IncomingMessage, response: ServerResponse, count: number) => unknown;

/** A page of its own, and 404 for all other paths. */
export const page: RequestListener = (request, response) => {
  if (new URL(request.url ?? "/", "http://origin").pathname === "/") response.end("hello");
  else response.writeHead(404).end(`nothing at ${request.url}`);
};

/** An origin server in order but for GET on its page. `count`: how many of those came before. */
export function brokenPage(break_: Break): Server {
  let count = 0;
  return quiet((request, response) => {
    if (request.method === "GET" && request.url === "/" && request.httpVersion === "1.1") {
      break_(request, response, count);
      count += 1;
    } else page(request, response);
  });
}

/** An origin server whose connections last, so that nothing is found but what is broken. */
export function quiet(listener: RequestListener): Server {
  return createServer({ keepAliveTimeout: 905_000 }, listener);
}

/** GET on the page gets these octets; `end`: and then the connection ends. */
export function octets(text: string, end = true): () => Server {
  return () =>
    brokenPage((request) => {
      const { socket } = request;
      socket.write(text.replaceAll("DATE", new Date().toUTCString()), "latin1");
      if (end) socket.end();
    });
}

/** A header section in order but for the lines given, with five octets of content. */
export function withLines(lines: string): () => Server {
  return octets(`HTTP/1.1 200 OK\r\n${lines}Date: DATE\r\nContent-Length: 5\r\n\r\nhello`, false);
}
