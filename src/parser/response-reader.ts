import { isBodiless } from "../http/status.js";
import { OctetStream, type Reading, type ResponseEnd } from "./octet-stream.js";
import { type Problem, problem, quote } from "./problems.js";
import { opensTunnel, type RequestFacts, readResponse } from "./read-response.js";
import type { Draft, ParsedResponse } from "./response.js";

/** Reads the responses on one connection while their octets arrive. */
export class ResponseReader {
  readonly responses: ParsedResponse[] = [];
  readonly #requests: RequestFacts[] = [];
  readonly #problems: Problem[] = [];
  readonly #reading: Reading<void>;
  #last: Draft | undefined;
  #tunnel = false;
  /** No further response can come. */
  over = false;

  constructor(readonly stream: OctetStream = new OctetStream()) {
    this.#reading = this.#readAll();
  }

  /** Tells of a request whose response comes next. Octets that are there already would be taken for its response. */
  expect(request: RequestFacts): void {
    this.#requests.push(request);
  }

  push(octets: Uint8Array): void {
    this.stream.push(octets);
    this.#advance();
  }

  /** Every request has its response, or no further response can come. */
  get settled(): boolean {
    return this.over || this.responses.length === this.#requests.length;
  }

  /** Another request may be sent. */
  get reusable(): boolean {
    return !this.over && this.settled && this.stream.length === this.stream.at;
  }

  /** The last response is complete, and the server is to close the connection after it. */
  get closes(): boolean {
    return this.#last?.complete === true && this.#last.closes && !this.#tunnel;
  }

  /** Tells that nothing more will come, and returns every problem of the stream. */
  stop(end: ResponseEnd): Problem[] {
    this.stream.stop(end);
    this.#advance();
    const last = this.#last;
    if (last === undefined || (last.complete && !this.#tunnel)) this.#checkRest(last);
    return [...this.responses.flatMap((response) => response.problems), ...this.#problems];
  }

  #advance(): void {
    if (!this.over) this.over = this.#reading.next().done === true;
  }

  *#readAll(): Reading<void> {
    for (;;) {
      const request = this.#requests[this.responses.length];
      if (request === undefined) {
        yield;
        continue;
      }
      if (!(yield* this.stream.has(1))) return;
      const response = yield* readResponse(this.stream, request);
      this.responses.push(response);
      this.#last = response;
      this.#tunnel = opensTunnel(response, request);
      if (response.closes) return;
    }
  }

  /** Looks for octets behind the last response, and for requests without one. */
  #checkRest(last: Draft | undefined): void {
    const { at, length, end } = this.stream;
    if (length > at) {
      const method = this.#requests[this.responses.length - 1]?.method;
      const message = `${length - at} octets follow the last response: ${quote(this.stream.slice(at, length))}.`;
      (last?.problems ?? this.#problems).push(problem("surplus-octets", at, message, surplusRule(last, method)));
    }
    // A server that closes answers no later request, and need not.
    const unanswered = this.#requests.length - this.responses.length;
    if (unanswered === 0 || last?.closes === true) return;
    const message = `${unanswered} of ${this.#requests.length} requests got no answer.`;
    this.#problems.push(problem("unanswered", length, message, end === "open" ? "MC-1" : "MC-2"));
  }
}

function surplusRule(last: ParsedResponse | undefined, method: string | undefined): string | undefined {
  if (last === undefined) return undefined;
  if (method === "HEAD") return "FR-11";
  return isBodiless(last.status) ? "FR-12" : undefined;
}
