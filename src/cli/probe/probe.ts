import { type ExchangeOptions, type ExchangeResult, exchange } from "../../testing/index.js";
import { encodeRequest } from "../../testing/request.js";
import { edgeFields, encoded, type Fields, type Meant, withFields } from "./edge-request.js";
import { Findings } from "./findings.js";
import { type Origin, tlsOptions } from "./origin.js";

/** How a probe is made. */
export interface ProbeSettings {
  readonly timeoutMs: number;
  readonly idleMs: number;
  readonly repeat: number;
  /** Path of the health endpoint, and whether it was named. */
  readonly health: { readonly path: string; readonly given: boolean };
  readonly fields: Fields;
  /** Told what is being done. */
  readonly progress?: (text: string) => void;
}

/** Most octets taken from one connection. */
const MOST_OCTETS = 8 * 1024 * 1024;
/** Requests that follow one which was answered at once need not wait as long as a slow one. */
const LATER_PATIENCE_MS = 5_000;
const LEAST_PATIENCE_MS = 1_500;

/** Thrown when the time for the whole probe is over. */
export class OutOfTime extends Error {}

/** One probe: the only place that sends HTTP/1 requests. */
export class Probe {
  readonly findings = new Findings();
  /** Checks that were not made, and why. */
  readonly skipped: { check: string; reason: string }[] = [];
  readonly #ends: number;
  #patienceMs: number;
  /** What an ordinary response takes. */
  #answerMs = 0;
  requests = 0;

  constructor(
    readonly origin: Origin,
    readonly settings: ProbeSettings,
  ) {
    this.#patienceMs = settings.timeoutMs;
    this.#ends = performance.now() + Math.max(60_000, 3 * settings.timeoutMs) + settings.idleMs;
  }

  /** Longest wait for the next response, in milliseconds. */
  get patienceMs(): number {
    const left = this.#ends - performance.now();
    if (left <= 0) throw new OutOfTime();
    return Math.min(this.#patienceMs, left);
  }

  /** The first response took `ms`; the ones that follow are given several times that. */
  settle(ms: number): void {
    this.#answerMs = ms;
    this.#patienceMs = Math.min(this.settings.timeoutMs, LATER_PATIENCE_MS + 4 * ms);
  }

  /** Sends requests over one connection of their own. */
  async ask(requests: readonly Meant[], options: ExchangeOptions & { origin?: Origin } = {}): Promise<ExchangeResult> {
    const { origin = this.origin, ...others } = options;
    const { path } = origin;
    return this.#send(
      requests.map((one) => encoded(one, path, this.fields(origin))),
      requests.length,
      origin,
      others,
    );
  }

  /** Sends octets as they are. */
  async write(octets: string, options: ExchangeOptions = {}): Promise<ExchangeResult> {
    return this.#send(octets, 1, this.origin, options);
  }

  /** Fields of a request: those of the edge, then those of `--header`. */
  fields({ authority }: Origin = this.origin): Fields {
    return withFields(edgeFields(authority), this.settings.fields);
  }

  /** Octets of a request in front of its content. */
  headOctets(meant: Meant): number {
    const { path, authority } = this.origin;
    const { octets } = encodeRequest(encoded(meant, path, this.fields()), authority, path);
    return octets.length - (meant.body?.length ?? 0);
  }

  progress(text: string): void {
    this.settings.progress?.(text);
  }

  async #send(
    request: string | Parameters<typeof exchange>[1],
    count: number,
    origin: Origin,
    options: ExchangeOptions,
  ): Promise<ExchangeResult> {
    this.requests += count;
    const target = {
      host: origin.address,
      port: origin.port,
      tls: origin.secure && tlsOptions(origin, ["http/1.1"]),
    };
    const timeoutMs = this.patienceMs + ((options.idleMs ?? 0) + 2 * this.#answerMs) * (count - 1);
    const result = await exchange(target, request, { maxOctets: MOST_OCTETS, timeoutMs, ...options });
    // A server that hangs is asked further questions, and not waited for as long again.
    if (result.timedOut) this.#patienceMs = Math.max(LEAST_PATIENCE_MS, this.#patienceMs / 2);
    return result;
  }
}
