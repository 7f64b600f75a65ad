import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

/** What became of the requests of one run. Times are in milliseconds. */
export interface Outcome {
  /** Complete 200s per second. */
  readonly rate: number;
  readonly p99: number;
  readonly served: number;
  /** Those that came within a second. */
  readonly inTime: number;
  /** Complete 503s with Retry-After and no-store, on connections that stay where they were to. */
  readonly refused: number;
  /** Anything else: cut, malformed, closed, never answered. */
  readonly wrong: string[];
}

const WORK = requestOf("/work");
const WARM_UP = requestOf("/warm-up");
/** As of a proxy that connects for each request, which is what nginx does unless it is told otherwise. */
export const LAST_WORK = requestOf("/work", "Connection: close\r\n");

function requestOf(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: origin\r\nAccept: text/plain\r\n${more}\r\n`;
}

/** Longest wait for an answer once a run is over, in milliseconds: a bare server has a long queue by then. */
const PATIENCE_MS = 8_000;

/** Clients of an origin server that is there already. */
export class Clients {
  constructor(readonly port: number) {}

  /** Requests that compute nothing, so that whatever runs for each of them has been compiled. */
  async warmUp(requests: number, clients = 4): Promise<void> {
    const run = new Run(this.port);
    let left = requests;
    const client = async () => {
      while (left-- > 0) await run.request(WARM_UP);
    };
    await Promise.all(Array.from({ length: clients }, client));
    run.close();
  }

  /** A closed loop: so many clients, each of which sends the next request when it has its answer. */
  async closed(clients: number, ms: number): Promise<Outcome> {
    const run = new Run(this.port);
    const until = performance.now() + ms;
    const client = async () => {
      while (performance.now() < until) await run.request();
    };
    await Promise.all(Array.from({ length: clients }, client));
    return run.outcome(ms);
  }

  /** So many clients that connect at the same moment. */
  async atOnce(clients: number): Promise<Outcome> {
    const run = new Run(this.port);
    await Promise.all(Array.from({ length: clients }, () => run.request(LAST_WORK)));
    return run.outcome(1);
  }

  /**
   * An open loop: so many requests a second, whether or not the ones before are answered.
   * @param message - what is sent: a request that ends its connection has the next one connect anew
   */
  async open(perSecond: number, ms: number, message = WORK): Promise<Outcome> {
    const run = new Run(this.port);
    const startedAt = performance.now();
    const pending = new Set<Promise<void>>();
    let sent = 0;
    for (let now = 0; now < ms; now = performance.now() - startedAt) {
      for (const due = (now / 1_000) * perSecond; sent < due; sent++) {
        const one = run.request(message);
        pending.add(one);
        void one.then(() => pending.delete(one));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const outcome = run.outcome(ms);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([Promise.all(pending), patience]);
    clearTimeout(timer);
    const { p99, wrong } = run.outcome(ms);
    if (pending.size > 0) wrong.push(`${pending.size} never answered`);
    run.close();
    return { ...outcome, p99, wrong };
  }
}

/** The same, and their origin server: `busy-origin.ts` in a process of its own. */
export class BusyOrigin extends Clients {
  readonly #child: ChildProcess;

  /** Processor time it has taken so far, in seconds. Linux only; proc(5), in hundredths. */
  processorS(): number {
    const [, rest = ""] = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1").split(") ");
    const fields = rest.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  private constructor(child: ChildProcess, port: number) {
    super(port);
    this.#child = child;
  }

  static async start(...args: string[]): Promise<BusyOrigin> {
    const child = fork(join(import.meta.dirname, "busy-origin.ts"), args, { execArgv: ["--import", "tsx"] });
    const [port] = (await once(child, "message")) as [number];
    return new BusyOrigin(child, port);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

/** One run: connections that are kept and reused, as an edge does it. */
class Run {
  readonly #port: number;
  readonly #idle: Socket[] = [];
  readonly #all = new Set<Socket>();
  readonly #times: number[] = [];
  #refused = 0;
  readonly #wrong: string[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  async request(message = WORK): Promise<void> {
    const startedAt = performance.now();
    const socket = this.#idle.pop() ?? this.#connect();
    const answer = await this.#answer(socket, message);
    if (/^HTTP\/1\.1 200 OK\r\n/.test(answer) && answer.endsWith("\r\n\r\ndone"))
      this.#times.push(performance.now() - startedAt);
    else if (
      /^HTTP\/1\.1 503 /.test(answer) &&
      /\r\nretry-after: [0-9]+\r\n/i.test(answer) &&
      /\r\ncache-control: no-store\r\n/i.test(answer) &&
      answer.includes(`\r\nConnection: ${message === LAST_WORK ? "close" : "keep-alive"}\r\n`)
    )
      this.#refused++;
    else this.#wrong.push(answer.slice(0, 200));
  }

  outcome(ms: number): Outcome {
    const times = [...this.#times].sort((a, b) => a - b);
    return {
      rate: (times.length / ms) * 1_000,
      p99: times[Math.ceil(times.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY,
      served: times.length,
      inTime: times.filter((ms) => ms <= 1_000).length,
      refused: this.#refused,
      wrong: [...this.#wrong],
    };
  }

  close(): void {
    for (const socket of this.#all) socket.destroy();
  }

  #connect(): Socket {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    socket.setEncoding("latin1");
    this.#all.add(socket);
    return socket;
  }

  /** The octets of one complete response, or what there was of it when the connection ended. */
  #answer(socket: Socket, message: string): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      const settle = (isWhole: boolean) => {
        socket.removeAllListeners();
        socket.on("error", () => undefined);
        if (isWhole && message !== LAST_WORK) this.#idle.push(socket);
        else this.#all.delete(socket.destroy());
        resolve(isWhole ? text : `${text} (closed)`);
      };
      socket.on("data", (octets) => {
        text += octets;
        const end = text.indexOf("\r\n\r\n");
        const length = /\r\ncontent-length: ([0-9]+)\r\n/i.exec(text)?.[1];
        if (end !== -1 && length !== undefined && text.length === end + 4 + Number(length)) settle(true);
      });
      socket.on("error", () => settle(false));
      socket.on("close", () => settle(false));
      socket.write(message);
    });
  }
}
