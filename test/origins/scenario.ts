import type { RequestListener, Server, ServerOptions } from "node:http";
import type { Socket } from "node:net";
import type { Http2Wire } from "../helpers/http2-wire.js";
import type { Wire } from "../helpers/wire.js";

export type Framework = "node" | "express5" | "express4" | "fastify";
export const FRAMEWORKS: readonly Framework[] = ["node", "express5", "express4", "fastify"];

/** `h2c`: HTTP/2 over cleartext with prior knowledge; `h2`: over TLS. */
export type Protocol = "http/1.1" | "h2c" | "h2";

/** How a route of the framework hands over the raw response, or whether `guard.errorHandler` is mounted. */
export type Variant = "plain" | "hijacked" | "errorHandler";

/**
 * What a correct origin server shows. `own`: the app's final response, as is or with its framing put right.
 * `replaced`: a fallback or the framework's own error page. `cut`: a connection that ends inside the message.
 * `complete`: any valid message. `refused`: a 4xx to a request that is not valid. `gone`: the client left; nothing is owed.
 */
export type Shown =
  | { kind: "own"; status: number; content?: string | RegExp | ((content: Buffer) => boolean); fields: Fields }
  | { kind: "replaced"; statuses: number[]; fields: Fields }
  | { kind: "refused"; statuses: number[] }
  | { kind: "complete" }
  | { kind: "cut" }
  | { kind: "gone" };

/** Expected value of each field; `null`: absent. */
export type Fields = Record<string, string | RegExp | null>;

// biome-ignore lint/suspicious/noExplicitAny: these origins misuse the API on purpose, so its types would only stand in the way.
export type Misused = any;

/** What a scenario may use besides the exchange; everything it opens is closed with the scenario. */
export type Aid = {
  /** Starts a raw TCP upstream that runs `serve` on each connection; resolves to its port. */
  upstream(serve: (socket: Socket) => void): Promise<number>;
  /** Makes a temporary file of `octets` octets; resolves to its path. */
  file(octets: number, name?: string): Promise<string>;
};

export type Origin = (req: Misused, res: Misused, aid: Aid) => unknown;

export type Scenario = {
  /** A fact in plain words; unique among all scenarios. */
  name: string;
  /** Ids of the response rules it exercises. */
  rules?: readonly string[];
  /** Where it exists; default: all for `origin`, else where a `express` or `fastify` set-up is given. */
  on?: readonly Framework[];
  /** Transparency control: right without the guard, and the guard must not change an octet. */
  control?: true;
  /** Runs on express with and without `guard.errorHandler`. */
  bothHandlers?: true;

  /** Answers every path but `/ok`, on the raw `node:http` objects. */
  origin?: Origin;
  /** Sets up an Express app, after the guard and before the error handler. */
  express?: (app: Misused, aid: Aid, express: Misused) => unknown;
  /** Sets up a Fastify app, after the guard is registered. */
  fastify?: (app: Misused, aid: Aid) => unknown;
  /** Options of `http.createServer`, or of Fastify where a function is given. */
  serverOptions?: ServerOptions;
  fastifyOptions?: Record<string, unknown>;
  /** Touches the server before it listens. */
  server?: (server: Server & Misused) => void;
  /** Runs before the guard is registered, for hooks and middleware that are older than it. */
  before?: (app: Misused, aid: Aid) => unknown;

  /** Request octets or parts; default `GET /`. */
  request?: string | RequestParts;
  /** Speaks for the client where one request is not enough; the octets it received are judged. */
  client?: (wire: Wire, aid: Aid) => Promise<void> | void;
  /** Methods of the requests that `client` sends, in order; default one GET. */
  methods?: readonly string[];

  /** What must be seen: one list of alternatives per response, or one for the only response. */
  shows: Shown | readonly Shown[];
  /** As `shows`, for scenarios with several responses on the connection. */
  showsAll?: readonly (Shown | readonly Shown[])[];
  /** Further check on the responses; throws or returns a sentence when wrong. */
  also?: (responses: readonly Misused[]) => string | undefined | boolean;
  /** The origin itself causes this process event, or the other one on some Node. */
  provokes?: "uncaughtException" | "unhandledRejection";
  /** Time the origin goes on misbehaving after its answer. */
  settleMs?: number;
  /** The second request takes this long to be answered, so that late misbehaviour meets it. */
  secondTakesMs?: number;
  /** The second request may get any complete answer, or goes to a new connection in every case. */
  second?: "complete" | "elsewhere";
  /** Options of the guard over those of the suite. */
  guard?: Record<string, unknown>;

  /** Why it has no counterpart over HTTP/2. */
  onlyHttp1?: string;
  /** What is different over HTTP/2. */
  http2?: Over;
};

/** Speaks for the client over HTTP/2; a control that is none there is wrong without the guard. */
export type Over = Partial<Omit<Scenario, "http2" | "onlyHttp1" | "client" | "control">> & {
  client?: (wire: Http2Wire) => Promise<void> | void;
  control?: false;
};

/**
 * A client over HTTP/2 that stops in the middle of its upload.
 * @param cancelMs - it gives the stream up after this time, instead of waiting for an answer
 */
export function unfinished(octets: string, headers: Record<string, string> = {}, cancelMs?: number): Over {
  return {
    async client(wire) {
      wire.send({ method: "POST", headers, body: null });
      wire.write(octets);
      if (cancelMs === undefined) return void (await wire.answers(1));
      await sleep(cancelMs);
      wire.cancel();
      await sleep(50);
    },
  };
}

export type RequestParts = {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
  version?: "1.0" | "1.1";
};

export type Group = { group: string; scenarios: readonly (Scenario & { group: string })[] };

/** @param onlyHttp1 - why they have no counterpart over HTTP/2, but for those that say how they run there */
export function group(name: string, scenarios: readonly Scenario[], onlyHttp1?: string): Group {
  const mark = (scenario: Scenario) => (onlyHttp1 === undefined || scenario.http2 ? {} : { onlyHttp1 });
  return { group: name, scenarios: scenarios.map((scenario) => ({ ...mark(scenario), ...scenario, group: name })) };
}

export function own(
  content?: string | RegExp | ((content: Buffer) => boolean),
  rest: { status?: number; fields?: Fields } = {},
): Shown {
  return {
    kind: "own",
    status: rest.status ?? 200,
    fields: rest.fields ?? {},
    ...(content === undefined ? {} : { content }),
  };
}

export function replaced(...statuses: number[]): Shown {
  return { kind: "replaced", statuses, fields: {} };
}

/** A fallback in which `fields` stand as given. */
export function fallbackWith(fields: Fields): Shown {
  return { kind: "replaced", statuses: [500], fields };
}

export function refused(...statuses: number[]): Shown {
  return { kind: "refused", statuses };
}

/** A fault of the app: 500. */
export const fault = replaced(500);
/** A fault that a hijacked Fastify reply hides from everyone, so that only the deadline can tell. */
export const thrown = replaced(500, 503);
/** A deadline: 503 with Retry-After. */
export const late: Shown = { kind: "replaced", statuses: [503], fields: { "retry-after": /^\d+$/ } };
export const cut: Shown = { kind: "cut" };
export const complete: Shown = { kind: "complete" };
export const gone: Shown = { kind: "gone" };
/** Cut where octets had left, a fallback where none had: both keep the promise. */
export const faultOrCut: readonly Shown[] = [fault, cut];
/** One right reading exists and is sent, or the response is replaced. */
export function mended(content: string | RegExp, rest: { status?: number; fields?: Fields } = {}): readonly Shown[] {
  return [own(content, rest), fault];
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
export const never = () => new Promise<never>(() => {});
export type { RequestListener };
