import { connect, type Socket } from "node:net";
import { parseResponses } from "rayguard/testing";
import { delay } from "../causes/cause.js";
import { HOST } from "../origins/origin.js";
import { newRay } from "../process/rays.js";
import { emptyTally, type Outcome, type Tally } from "./tally.js";

export const CLIENTS = 20;

/** Read timeout of the edge; the real one waits for 125 s. Above everything that a keeper takes its time for here. */
export const READ_TIMEOUT_MS = 7_000;

/** Longest pause of a client between an answer and its next request, on the same connection where that is still there. */
const PAUSE_MS = 20;
/** The same, where there was no answer: as long as an answer and a pause take, so that failures do not come faster. */
const RETRY_MS = 60;

/** One request in so many is for content that comes in pieces. */
const IN_PIECES = 8;

/** Clients with a kept-alive connection each, over real sockets, and what they get: one request at a time, on and on. */
export class Crowd {
  readonly #port: number;
  readonly #clients: readonly Client[];
  readonly #tally = emptyTally();
  readonly #note: (outcome: Outcome) => void;
  /** The process that has answered last. */
  pid: number | undefined;
  /** Longest time from a request to the end of its complete answer, in milliseconds. */
  longestMs = 0;

  /** @param note - told of every request as it ends */
  constructor(port: number, note: (outcome: Outcome) => void = () => {}) {
    this.#port = port;
    this.#note = note;
    this.#clients = Array.from({ length: CLIENTS }, () => new Client(this, port));
    for (const client of this.#clients) void client.run();
  }

  get tally(): Tally {
    return this.#tally;
  }

  /**
   * Whether every client has been answered so many times, or has given up.
   * @param pid - the process that does not count
   */
  isServed(times: number, pid?: number): boolean {
    return this.#clients.every(
      ({ answers, hasGivenUp }) => hasGivenUp || [...answers].some(([by, count]) => by !== pid && count >= times),
    );
  }

  /** One more client, whose only request is this one. */
  async ask(method: string, path: string): Promise<void> {
    await new Client(this, this.#port).ask(method, path);
  }

  /** Lets every client finish the request that it waits for. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
  }

  add(outcome: Outcome): void {
    this.#tally[outcome]++;
    this.#note(outcome);
  }
}

class Client {
  /** How often each process has answered. */
  readonly answers = new Map<number, number>();
  /** Nobody waits in vain twice. */
  hasGivenUp = false;
  readonly #crowd: Crowd;
  readonly #port: number;
  #connection: Connection | undefined;
  #isStopping = false;
  #ended = Promise.resolve();

  constructor(crowd: Crowd, port: number) {
    this.#crowd = crowd;
    this.#port = port;
  }

  run(): Promise<void> {
    this.#ended = this.#run();
    return this.#ended;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
    this.#connection?.socket.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping && !this.hasGivenUp) {
      await delay(Math.random() * PAUSE_MS);
      const route = Math.random() * IN_PIECES < 1 ? "pieces" : "page";
      const outcome = await this.ask("GET", `/${route}/${newRay()}`);
      if (outcome !== "answered" && outcome !== "unavailable") await delay(RETRY_MS);
    }
  }

  /** Sends a request, and sees what becomes of it. */
  async ask(method: string, path: string): Promise<Outcome> {
    const started = performance.now();
    if (this.#connection?.isOver !== false)
      this.#connection = new Connection(this.#port, () => this.#crowd.add("wrong"));
    const [, , id = ""] = path.split("/");
    const { outcome, pid } = await this.#connection.ask(method, path, id);
    if (outcome === "answered" || outcome === "unavailable")
      this.#crowd.longestMs = Math.max(this.#crowd.longestMs, performance.now() - started);
    if (outcome === "silent") this.hasGivenUp = true;
    if (pid !== undefined) {
      this.#crowd.pid = pid;
      this.answers.set(pid, (this.answers.get(pid) ?? 0) + 1);
    }
    this.#crowd.add(outcome);
    return outcome;
  }
}

interface Answer {
  readonly outcome: Outcome;
  readonly pid?: number;
}

/** One connection, and at most one request on it at a time. */
class Connection {
  readonly socket: Socket;
  /** Nothing can be asked here any more. */
  isOver = false;
  #received: Buffer[] = [];
  #asked: { readonly method: string; readonly id: string; readonly resolve: (answer: Answer) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isRefused = false;

  /** @param unasked - octets have come that nobody had asked for */
  constructor(port: number, unasked: () => void) {
    this.socket = connect({ host: HOST, port, noDelay: true });
    this.socket.on("data", (octets) => {
      if (this.#asked === undefined) return unasked();
      this.#received.push(octets);
      this.#look("open");
    });
    this.socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      this.#isRefused = code === "ECONNREFUSED";
      this.#over("reset");
    });
    this.socket.on("end", () => this.#over("fin"));
  }

  ask(method: string, path: string, id: string): Promise<Answer> {
    return new Promise((resolve) => {
      this.#asked = { method, id, resolve };
      const length = method === "GET" ? "" : "Content-Length: 0\r\n";
      this.socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${HOST}\r\nCF-RAY: ${newRay()}-AMS\r\n${length}\r\n`);
      this.#timer = setTimeout(() => this.#answer({ outcome: "silent" }, true), READ_TIMEOUT_MS);
    });
  }

  /** The other side has ended, or is not there. */
  #over(end: "fin" | "reset"): void {
    this.isOver = true;
    this.#look(end);
    this.socket.destroy();
  }

  #look(end: "open" | "fin" | "reset"): void {
    if (this.#asked === undefined) return;
    const { method, id } = this.#asked;
    const { responses, problems } = parseResponses(Buffer.concat(this.#received), { requests: [{ method }], end });
    const [response] = responses;
    if (response?.complete) {
      const { status, closes } = response;
      const text = response.text();
      if (problems.length > 0) this.#answer({ outcome: "wrong" }, true);
      else if (status === 503) this.#answer({ outcome: "unavailable" }, closes);
      else if (status !== 200 || !isAnswerTo(id, text)) this.#answer({ outcome: "wrong" }, true);
      else this.#answer({ outcome: "answered", pid: Number(/ of (\d+)/.exec(text)?.[1]) }, closes);
    } else if (end !== "open") {
      const hasBegun = response !== undefined && response.status !== 0;
      this.#answer({ outcome: this.#isRefused ? "refused" : hasBegun ? "cut" : "empty" }, true);
    }
  }

  #answer(answer: Answer, isLast: boolean): void {
    const asked = this.#asked;
    clearTimeout(this.#timer);
    this.#asked = undefined;
    this.#received = [];
    if (isLast) {
      this.isOver = true;
      this.socket.destroy();
    }
    asked?.resolve(answer);
  }
}

/** All of it, and for this request. */
function isAnswerTo(id: string, text: string): boolean {
  const page = new RegExp(`^page ${id} of \\d+$`);
  const pieces = new RegExp(`^piece 1 ${id} of (\\d+)\\npiece 2 ${id} of \\1\\n$`);
  return page.test(text) || pieces.test(text);
}
