import http from "node:http";
import net from "node:net";
import type { StreamCase } from "./streams/index.js";

/** What Node's own client makes of a stream. */
export interface Verdict {
  readonly accepted: boolean;
  readonly error: string | undefined;
  readonly status: number | undefined;
  readonly content: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly interim: readonly number[];
}

type Stream = Pick<StreamCase, "octets" | "method" | "end">;

/** A server that answers each request with the next stream given, and Node's client before it. */
export class NodeClient {
  #next: Stream = { octets: "" };
  readonly #server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const { octets, end } = this.#next;
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (end === "reset") socket.write(octets, "latin1", () => socket.resetAndDestroy());
      else socket.end(octets, "latin1");
    });
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resolves when the connection is closed, since an error may follow a whole response. */
  async read(stream: Stream): Promise<Verdict> {
    this.#next = stream;
    const { port } = this.#server.address() as net.AddressInfo;
    const agent = new http.Agent({ keepAlive: true });
    const request = http.request({ port, host: "127.0.0.1", agent, method: stream.method ?? "GET" });
    const interim: number[] = [];
    const parts: Buffer[] = [];
    let status: number | undefined;
    let whole = false;
    let error: string | undefined;
    let trailers: [string, string][] = [];
    const fail = (cause: Error & { code?: string }): void => {
      // A reset behind a whole response is none of its faults.
      if (!whole || cause.code !== "ECONNRESET") error ??= cause.code ?? cause.message;
    };
    const closed = new Promise<void>((resolve) => {
      request.once("socket", (socket) => {
        socket.on("error", fail);
        socket.once("close", () => resolve());
      });
    });
    const switched = (response: http.IncomingMessage, socket: net.Socket): void => {
      status = response.statusCode;
      whole = true;
      socket.destroy();
    };
    request.on("information", (information) => interim.push(information.statusCode));
    request.on("upgrade", switched);
    request.on("connect", switched);
    request.on("error", fail);
    request.on("response", (response) => {
      status = response.statusCode;
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", fail);
      response.on("end", () => {
        whole = response.complete;
        const { rawTrailers } = response;
        trailers = rawTrailers.flatMap((name, at) => (at % 2 === 0 ? [[name, rawTrailers[at + 1] ?? ""]] : []));
      });
    });
    request.end();
    await closed;
    // Listeners of "close" that Node added later report the error of an aborted response.
    await new Promise((resolve) => setImmediate(resolve));
    agent.destroy();
    const content = Buffer.concat(parts).toString("latin1");
    return { accepted: whole && error === undefined, error, status, content, trailers, interim };
  }
}
