import { once } from "node:events";
import http2, { type Http2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { createGuard, type GuardOptions } from "../../src/index.js";

/** What an app makes its calls on. The calls are wrong on purpose. */
export interface Objects {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly stream: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly request: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly response: any;
  /** Has the client reset the stream. */
  readonly reset?: (code: number) => void;
}

/** A call, or something to wait for. */
export type Step = (objects: Objects) => unknown;

export type Api = "core" | "compat";
export type Guarding = "bare" | "enforce" | "report";

/** What a client received on one stream, as frames and as Node reads them. */
export interface Received {
  status: number;
  fields: Record<string, unknown>;
  trailers: Record<string, unknown> | null;
  interim: unknown[];
  content: string;
  octets: number;
  /** What Node's own client ended it with. */
  code: number;
  /** The last frame of the answer said so. */
  ended: boolean;
  /** Code of an RST_STREAM that came, unless it is NO_ERROR behind the end of the answer. */
  reset: number | null;
  pushed: number;
}

export interface Shown {
  /** What each call returned or threw, and what was told, in order. */
  log: string[];
  readonly state: Record<string, unknown>;
  readonly client: Received;
}

const OPTIONS: GuardOptions = {
  logger: false,
  shutdown: false,
  crash: false,
  trust: "loopback",
};

const STREAM = ["aborted", "close", "end", "error", "prefinish", "finish", "drain", "wantTrailers"];
const REQUEST = ["aborted", "close", "end", "error"];
const RESPONSE = ["close", "error", "finish", "drain"];

/** An origin that makes the calls it is told to, with a tap on the frames that it sends. */
export class CallOrigin {
  readonly #server: Http2Server;
  readonly #guard: ReturnType<typeof createGuard> | undefined;
  readonly #api: Api;
  readonly #app: Map<string, (objects: Objects) => void> = new Map();

  constructor(api: Api, guarding: Guarding, options: GuardOptions = {}) {
    this.#api = api;
    this.#server = http2.createServer();
    this.#guard = guarding === "bare" ? undefined : createGuard({ ...OPTIONS, mode: guarding, ...options });
    const take = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, objects: Objects) => {
      stream.on("error", () => {});
      this.#app.get(String(headers[":path"]))?.(objects);
    };
    if (api === "core")
      this.#server.on("stream", (stream, headers) =>
        take(stream, headers, {
          stream,
          request: undefined,
          response: undefined,
        }),
      );
    else
      this.#server.on("request", (request, response) =>
        take(response.stream, request.headers, {
          stream: response.stream,
          request,
          response,
        }),
      );
    this.#server.on("sessionError", () => {});
    this.#guard?.attach(this.#server);
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    this.#guard?.close();
  }

  /** Makes the calls on one request. @param upload - octets of content, with no end to it */
  async show(method: string, steps: readonly Step[], upload?: number): Promise<Shown> {
    const path = `/${Math.random()}`;
    const tap = await tapTo((this.#server.address() as AddressInfo).port);
    const session = http2.connect(`http://127.0.0.1:${tap.port}`);
    session.on("error", () => {});
    const log: string[] = [];
    let objects: Objects | undefined;
    let made = () => {};
    const calls = new Promise<void>((resolve) => {
      made = resolve;
    });
    const push: number[] = [];
    session.on("stream", (pushed) => {
      push.push(1);
      pushed.on("error", () => {});
      pushed.resume();
    });
    this.#app.set(path, async (given) => {
      objects = { ...given, reset: (code) => stream.close(code) };
      this.#note(log, given);
      for (const step of steps) {
        const shown = perform(step, objects, log);
        if (shown instanceof Promise) await shown;
      }
      made();
    });
    const stream = session.request({ ":path": path, ":method": method }, { endStream: upload === undefined });
    if (upload !== undefined) stream.write(Buffer.alloc(upload));
    const client: Received = {
      status: 0,
      fields: {},
      trailers: null,
      interim: [],
      content: "",
      octets: 0,
      code: 0,
      ended: false,
      reset: null,
      pushed: 0,
    };
    stream.on("error", () => {});
    stream.on("response", (headers) => {
      const { ":status": status, date, ...fields } = headers;
      client.status = Number(status);
      client.fields = { ...fields, date: date && "now" };
    });
    stream.on("headers", (headers) => client.interim.push({ ...headers }));
    stream.on("trailers", (trailers) => {
      client.trailers = { ...trailers };
    });
    stream.on("data", (chunk) => {
      client.octets += chunk.length;
      client.content += String(chunk).length > 100 ? `[${chunk.length}]` : String(chunk);
    });
    const closed = new Promise((resolve) => stream.once("close", resolve));
    await calls;
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 100))]);
    // What comes late comes now.
    if (!session.destroyed) await new Promise<void>((resolve) => session.ping(() => resolve()) || resolve());
    for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
    Object.assign(client, tap.seen(1), {
      pushed: push.length,
      code: stream.rstCode ?? 0,
    });
    const state = stateOf(objects as Objects);
    const shown = { log: [...log], state, client };
    session.destroy();
    tap.close();
    this.#app.delete(path);
    return shown;
  }

  #note(log: string[], { stream, request, response }: Objects): void {
    const note = (who: string, from: NodeJS.EventEmitter | undefined, names: string[]) => {
      for (const name of names) {
        if (name === "wantTrailers" && this.#api === "core") continue;
        from?.on(name, (value) => log.push(`${who} ${name}${value instanceof Error ? `: ${named(value)}` : ""}`));
      }
    };
    note("stream", stream, STREAM);
    note("request", request, REQUEST);
    note("response", response, RESPONSE);
  }
}

function perform(step: Step, objects: Objects, log: string[]): unknown {
  const at = log.push("") - 1;
  const look = () => JSON.stringify(stateOf(objects));
  try {
    const value = step(objects);
    if (value instanceof Promise) {
      log[at] = "waits";
      return value;
    }
    log[at] = `returns ${nameOf(value, objects)} ${look()}`;
  } catch (error) {
    log[at] = `throws ${named(error)} ${look()}`;
  }
  return undefined;
}

function nameOf(value: unknown, objects: Objects): string {
  if (value === null || typeof value !== "object") return String(value);
  const known = Object.entries(objects).find(([, object]) => object === value);
  return known?.[0] ?? "an object";
}

function named(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return `${name} ${code ?? ""} ${message}`;
}

function stateOf({ stream, request, response }: Objects): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  const add = (who: string, from: object | undefined, names: string[]) => {
    if (from === undefined || from === null) return;
    for (const name of names) {
      const value = Reflect.get(from, name);
      state[`${who}.${name}`] = value instanceof Error ? named(value) : value;
    }
  };
  add("stream", stream, [
    "aborted",
    "closed",
    "destroyed",
    "rstCode",
    "headersSent",
    "writable",
    "writableEnded",
    "writableFinished",
    "writableNeedDrain",
    "errored",
    "pushAllowed",
  ]);
  const { sentHeaders, sentTrailers, sentInfoHeaders } = stream;
  Object.assign(state, {
    sentHeaders: plain(sentHeaders),
    sentTrailers: plain(sentTrailers),
  });
  state.sentInfoHeaders = sentInfoHeaders?.map(plain);
  add("request", request, ["aborted", "complete", "destroyed", "readableEnded", "errored"]);
  add("response", response, [
    "finished",
    "headersSent",
    "writable",
    "writableEnded",
    "writableFinished",
    "destroyed",
    "statusCode",
  ]);
  if (response !== undefined) state["response.getHeaders"] = { ...response.getHeaders() };
  return state;
}

function plain(fields: Record<string, unknown> | undefined): unknown {
  return fields && { ...Object.fromEntries(Object.entries(fields)), ...(fields.date !== undefined && { date: "now" }) };
}

interface Tap {
  readonly port: number;
  /** DATA frames of a stream: octets of each, and a full stop where it is the end of the content. */
  content(id: number): string[];
  /** How the stream of this number ended. */
  seen(id: number): { ended: boolean; reset: number | null };
  close(): void;
}

/** Passes a connection on, and reads the frames that come back (RFC 9113, section 4.1). */
export async function tapTo(port: number): Promise<Tap> {
  const frames: { type: number; flags: number; id: number; length: number; code: number }[] = [];
  let rest = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) return;
      const id = rest.readUInt32BE(5) & 0x7fffffff;
      const [type, flags] = [rest[3] as number, rest[4] as number];
      frames.push({
        type,
        flags,
        id,
        length,
        code: type === RST_STREAM ? rest.readUInt32BE(9) : 0,
      });
      rest = rest.subarray(9 + length);
    }
  };
  const server: Server = createServer((socket) => {
    const origin = connect(port, "127.0.0.1");
    const end = () => {
      socket.destroy();
      origin.destroy();
    };
    origin.on("data", read).on("error", end).on("close", end);
    socket.on("error", end).on("close", end);
    origin.pipe(socket).pipe(origin);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    content: (id) =>
      frames
        .filter((frame) => frame.id === id && frame.type === DATA)
        .map(({ length, flags }) => `${length}${(flags & 1) === 1 ? "." : ""}`),
    seen(id) {
      const own = frames.filter((frame) => frame.id === id);
      const ended = own.findIndex(({ type, flags }) => (type === DATA || type === HEADERS) && (flags & 1) === 1);
      const reset = own.findIndex(({ type }) => type === RST_STREAM);
      const code = own[reset]?.code ?? null;
      return {
        ended: ended >= 0,
        reset: ended >= 0 && ended < reset && code === 0 ? null : code,
      };
    },
    close: () => void server.close(),
  };
}

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;

/** Whether what the client received is a whole answer. */
export function isWhole({ status, fields, octets, ended, code }: Received, method: string): boolean {
  if (!ended || code !== 0 || status < 200) return false;
  const length = fields["content-length"];
  return method === "HEAD" || status === 304 || length === undefined || Number(length) === octets;
}

/** Whether the client sees that it is none, or that it has broken the stream off itself. */
export function isBroken({ reset, code, ended }: Received): boolean {
  return code !== 0 || (reset !== null && !ended);
}

/** Whether there is nothing yet that it could take for one. */
export function isOpen({ reset, code, ended }: Received): boolean {
  return reset === null && code === 0 && !ended;
}

/** Waits for turns of the event loop, and for what has been sent to have arrived. */
export const turns: Step = async ({ stream }) => {
  if (stream.session && !stream.session.destroyed)
    await new Promise<void>((resolve) => stream.session.ping(() => resolve()) || resolve());
  for (let n = 0; n < 4; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** The client resets the stream. */
export const peerResets =
  (code: number): Step =>
  async ({ stream, reset }) => {
    reset?.(code);
    for (let n = 0; n < 200 && !stream.closed; n++) await new Promise((resolve) => setTimeout(resolve, 1));
    for (let n = 0; n < 4; n++) await new Promise((resolve) => setImmediate(resolve));
  };
