import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { ResponseReader } from "../../src/parser/response-reader.js";

/** What became of one request, or of one attempt to connect. */
export type Fate =
  | { readonly kind: "complete"; readonly status: number; readonly ms: number; readonly text: string }
  | { readonly kind: "incomplete" | "reset" | "empty"; readonly detail: string }
  | { readonly kind: "refused" };

export type LoadOptions = {
  connections?: number;
  path?: string;
  /** Pause between a response and the next request on its connection, in milliseconds. */
  pauseMs?: number;
  /** Field lines beside Host. */
  headers?: (n: number) => Record<string, string>;
};

/** Steady load from raw clients, each on a connection that it keeps for as long as the server does. */
export class Load {
  readonly fates: Fate[] = [];
  readonly #port: number;
  readonly #options: Required<LoadOptions>;
  readonly #clients: Promise<void>[] = [];
  #running = true;
  #requests = 0;
  #settledIn = 0;

  constructor(port: number, options: LoadOptions = {}) {
    this.#port = port;
    this.#options = { connections: 50, path: "/", pauseMs: 2, headers: () => ({}), ...options };
    for (let n = 0; n < this.#options.connections; n++) this.#clients.push(this.#client());
  }

  count(kind: Fate["kind"]): number {
    return this.fates.filter((fate) => fate.kind === kind).length;
  }

  /** Fates that a client would call a failure. */
  get failures(): Fate[] {
    return this.fates.filter(({ kind }) => kind !== "complete" && kind !== "refused");
  }

  statuses(): Record<number, number> {
    const found: Record<number, number> = {};
    for (const fate of this.fates) if (fate.kind === "complete") found[fate.status] = (found[fate.status] ?? 0) + 1;
    return found;
  }

  /** Sends no more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  /** Resolves when every client has had an answer: none of them is still waiting at the door. */
  async steady(): Promise<void> {
    while (this.#settledIn < this.#options.connections) await wait(10);
    await wait(100);
  }

  /** Resolves when every client has been refused, or has been stopped. */
  async over(): Promise<void> {
    await Promise.all(this.#clients);
  }

  async #client(): Promise<void> {
    let isNew = true;
    while (this.#running) {
      const socket = net.connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
      const refused = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(false));
        socket.once("error", (error: NodeJS.ErrnoException) => {
          if (error.code !== "ECONNREFUSED") this.fates.push({ kind: "reset", detail: `connect: ${error.code}` });
          resolve(true);
        });
      });
      if (refused) {
        this.fates.push({ kind: "refused" });
        return;
      }
      await this.#speak(socket, () => {
        if (isNew) this.#settledIn++;
        isNew = false;
      });
      socket.destroy();
    }
  }

  async #speak(socket: net.Socket, answered: () => void): Promise<void> {
    const { path, pauseMs, headers } = this.#options;
    const reader = new ResponseReader();
    let wake = () => {};
    let end: "fin" | "reset" | undefined;
    socket.removeAllListeners("error");
    socket.on("error", () => {
      end ??= "reset";
      wake();
    });
    socket.on("end", () => {
      end ??= "fin";
      wake();
    });
    socket.on("data", (octets) => {
      reader.push(octets);
      wake();
    });
    while (this.#running && end === undefined) {
      const startedAt = performance.now();
      const lines = Object.entries(headers(this.#requests++)).map(([name, value]) => `${name}: ${value}\r\n`);
      const before = reader.responses.length;
      reader.expect({ method: "GET", version: "1.1" });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${lines.join("")}\r\n`);
      while (!reader.settled && end === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const response = reader.responses[before];
      const ms = performance.now() - startedAt;
      if (response?.complete) {
        this.fates.push({ kind: "complete", status: response.status, ms, text: response.text() });
        answered();
        if (reader.closes) return;
      } else {
        const detail = reader.stop(end ?? "fin").map(({ message }) => message);
        const kind = response !== undefined ? "incomplete" : end === "reset" ? "reset" : "empty";
        this.fates.push({ kind, detail: detail.join(" ") });
        return;
      }
      if (pauseMs > 0) await wait(pauseMs);
    }
  }
}
