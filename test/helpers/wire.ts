import { connect, type Socket } from "node:net";
import { OctetStream, type ResponseEnd } from "../../src/parser/octet-stream.js";
import type { Problem } from "../../src/parser/problems.js";
import type { ParsedResponse } from "../../src/parser/response.js";
import { ResponseReader } from "../../src/parser/response-reader.js";

/** What decides how the answer to a request is read. */
export type RequestFacts = Parameters<ResponseReader["expect"]>[0];

/** What one connection showed. */
export type Seen = {
  responses: ParsedResponse[];
  problems: Problem[];
  octets: Buffer;
  end: ResponseEnd;
  /** Requests whose answers were awaited. */
  requests: number;
};

/** A client of one connection that sends octets at will and reads every response with the strict parser. */
export class Wire {
  readonly reader = new ResponseReader(new OctetStream());
  readonly socket: Socket;
  end: ResponseEnd = "open";
  requests = 0;
  /** The client still owes octets of a request: nothing else can be sent on the connection. */
  owing = false;
  #chunks: Buffer[] = [];
  #wake = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    const wakeAll = () => {
      for (const wake of this.#wake) wake();
    };
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.reader.push(chunk);
      wakeAll();
    });
    socket.on("end", () => {
      this.end = "fin";
      wakeAll();
    });
    socket.on("error", () => {
      if (this.end === "open") this.end = "reset";
      wakeAll();
    });
    socket.on("close", (failed) => {
      if (this.end === "open") this.end = failed ? "reset" : "fin";
      wakeAll();
    });
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Wire(socket));
      });
    });
  }

  /** Sends octets and expects an answer to every request line in them. */
  send(octets: string, expected: readonly RequestFacts[] = requestsIn(octets)): void {
    for (const request of expected) this.reader.expect(request);
    this.requests += expected.length;
    this.write(octets);
  }

  /** Sends octets that are no request of their own. */
  write(octets: string): void {
    if (!this.socket.destroyed) this.socket.write(octets, "latin1");
  }

  /** Sends a request whose content never comes to its end. */
  sendPart(octets: string): void {
    this.owing = true;
    this.send(octets);
  }

  halfClose(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Waits for `count` final responses in all, or for the end of what can come; `false` when time runs out. */
  answers(count: number, timeoutMs = this.timeoutMs): Promise<boolean> {
    const closing = () =>
      this.reader.responses.at(-1)?.complete === true && this.reader.responses.at(-1)?.closes === true;
    return this.#until(
      () => this.end !== "open" || (this.reader.responses.length >= count && !closing()),
      timeoutMs,
      () => this.reader.responses.length >= count && closing(),
    );
  }

  /** Waits until `octets` has been received; `false` when time runs out. */
  received(octets: string, timeoutMs = this.timeoutMs): Promise<boolean> {
    return this.#until(
      () => this.end !== "open" || Buffer.concat(this.#chunks).includes(octets, 0, "latin1"),
      timeoutMs,
    );
  }

  /** Waits for the server to close. */
  ended(timeoutMs = this.timeoutMs): Promise<boolean> {
    return this.#until(() => this.end !== "open", timeoutMs);
  }

  timeoutMs = 4000;

  /** Everything the connection showed; the reader takes the connection to be over. */
  finish(): Seen {
    const end = this.end;
    const problems = this.reader.stop(end);
    this.socket.destroy();
    return {
      responses: this.reader.responses,
      problems,
      octets: Buffer.concat(this.#chunks),
      end,
      requests: this.requests,
    };
  }

  /** A response that announces close is waited for until the connection is closed, but not as long. */
  #until(done: () => boolean, timeoutMs: number, almost?: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      let short: NodeJS.Timeout | undefined;
      const finish = (value: boolean) => {
        clearTimeout(timer);
        clearTimeout(short);
        this.#wake.delete(check);
        resolve(value);
      };
      const timer = setTimeout(() => finish(false), timeoutMs);
      const check = () => {
        if (done()) finish(true);
        else if (almost?.() && short === undefined) short = setTimeout(() => finish(true), Math.min(1000, timeoutMs));
      };
      this.#wake.add(check);
      check();
    });
  }
}

/** The requests whose heads stand in `octets`; one HTTP/1.1 GET where none can be made out. */
export function requestsIn(octets: string): RequestFacts[] {
  const found: RequestFacts[] = [];
  for (const match of octets.matchAll(/([A-Z-]+) \S+ HTTP\/1\.([01])\r\n((?:[^\r\n]+\r\n)*)\r\n/g)) {
    const fields = (match[3] ?? "").toLowerCase();
    found.push({
      method: match[1] ?? "GET",
      version: match[2] === "0" ? "1.0" : "1.1",
      upgrade: /^upgrade:/m.test(fields),
      close: /^connection:.*\bclose\b/m.test(fields),
    });
  }
  return found.length > 0 ? found : [{ method: "GET", version: "1.1" }];
}
