import { connect, type Socket } from "node:net";

/** What many clients have seen. */
export interface Seen {
  /** Complete answers of the app's, each to its own request. */
  answered: number;
  /** Complete answers of the keeper's, or of the guard's. */
  unavailable: number;
  /** Broken off behind the first octet of a response. */
  cut: number;
  /** Connections that ended, with a request sent and no octet received. */
  empty: number;
  /** Connects that were refused. */
  refused: number;
  /** Not answered in time. */
  silent: number;
  /** Answers that are no answer to what was asked. */
  wrong: string[];
  /** Processes that have answered. */
  readonly processes: Set<string>;
}

/** Longest time for an answer, in milliseconds: on a busy machine a process takes several seconds to start. */
const PATIENCE_MS = 15_000;

/** Clients with a kept-alive connection each, which ask again a few milliseconds behind every answer. */
export class Load {
  readonly seen: Seen = {
    answered: 0,
    unavailable: 0,
    cut: 0,
    empty: 0,
    refused: 0,
    silent: 0,
    wrong: [],
    processes: new Set(),
  };
  readonly #port: number;
  readonly #clients: Client[];
  #asked = 0;

  constructor(port: number, clients: number) {
    this.#port = port;
    this.#clients = Array.from({ length: clients }, () => new Client(this));
  }

  get port(): number {
    return this.#port;
  }

  nextPath(): string {
    return `/request-${this.#asked++}`;
  }

  /** Resolves once every client has been answered so many times more. */
  async everyone(more: number): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.answers(more)));
  }

  async stop(): Promise<Seen> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    return this.seen;
  }
}

class Client {
  readonly #load: Load;
  #socket: Socket | undefined;
  #path: string | undefined;
  #received = "";
  #timer: NodeJS.Timeout | undefined;
  #answered = 0;
  #isStopping = false;
  #stopped = () => {};

  constructor(load: Load) {
    this.#load = load;
    setImmediate(() => this.#open());
  }

  async answers(more: number): Promise<void> {
    const until = this.#answered + more;
    while (this.#answered < until) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#path !== undefined)
      await new Promise<void>((resolve) => {
        this.#stopped = resolve;
      });
    this.#socket?.destroy();
  }

  #open(): void {
    if (this.#isStopping) return;
    const socket = connect(this.#load.port, "127.0.0.1");
    this.#socket = socket;
    this.#received = "";
    socket.on("connect", () => this.#ask());
    socket.on("data", (octets) => {
      this.#received += octets.toString("latin1");
      this.#look();
    });
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED") this.#load.seen.refused++;
    });
    socket.on("close", () => {
      if (this.#path !== undefined) this.#over(this.#received === "" ? "empty" : "cut");
      setTimeout(() => this.#open(), 2);
    });
  }

  #ask(): void {
    if (this.#isStopping || this.#socket?.destroyed) return;
    this.#path = this.#load.nextPath();
    this.#received = "";
    const content = this.#path.endsWith("7") ? "u".repeat(2_000) : "";
    const head = content === "" ? "" : `Content-Length: ${content.length}\r\n`;
    const method = content === "" ? "GET" : "POST";
    this.#socket?.write(
      `${method} ${this.#path} HTTP/1.1\r\nHost: a\r\n${head}${content && "Content-Type: a/b\r\n"}\r\n${content}`,
    );
    this.#timer = setTimeout(() => {
      this.#over("silent");
      this.#socket?.destroy();
    }, PATIENCE_MS);
  }

  #look(): void {
    const [head = "", content] = this.#received.split(/\r\n\r\n(.*)/s);
    if (content === undefined || this.#path === undefined) return;
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined ? !content.endsWith("0\r\n\r\n") : content.length < Number(length)) return;
    const { seen } = this.#load;
    if (head.startsWith("HTTP/1.1 503 ")) this.#over("unavailable");
    else if (head.startsWith("HTTP/1.1 200 ") && content.includes(`${this.#path} `)) {
      seen.processes.add(/ (\d+) /.exec(content)?.[1] ?? "");
      this.#over("answered");
    } else {
      seen.wrong.push(`${this.#path}: ${this.#received}`);
      this.#over();
    }
    if (!/connection: close/i.test(head)) setTimeout(() => this.#ask(), Math.random() * 4);
  }

  #over(how?: "answered" | "unavailable" | "cut" | "empty" | "silent"): void {
    clearTimeout(this.#timer);
    this.#path = undefined;
    if (how !== undefined) this.#load.seen[how]++;
    if (how === "answered") this.#answered++;
    this.#stopped();
  }
}
