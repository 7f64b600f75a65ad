import { RayguardError } from "../../errors.js";
import { type Dataset, leafOf, settingsQuery } from "./query.js";
import { formatSpan } from "./span.js";
import { RefusedQuery, type Transport } from "./transport.js";
import { type Range, windowsOf } from "./windows.js";
import { askZone } from "./zone.js";

/** What the settings node says of a dataset; times in seconds. */
interface DatasetSettings {
  readonly enabled?: boolean | null;
  readonly availableFields?: readonly string[] | null;
  readonly maxPageSize?: number | null;
  readonly maxNumberOfFields?: number | null;
  readonly notOlderThan?: number | null;
  readonly maxDuration?: number | null;
}

/** What the smallest plan was seen to have, for a zone whose settings cannot be read; times in seconds. */
const ASSUMED = { maxPageSize: 1_000, maxNumberOfFields: 30, notOlderThan: 691_200, maxDuration: 86_400 } as const;

/** Clocks differ, and queries take time: what is just within the limit now is not when it is asked for. */
const MARGIN_MS = 60_000;

const SHORTEST_MS = 60_000;

/** What may be asked of a dataset, kept up to date with what the API refuses. */
export class Limits {
  readonly dataset: Dataset;
  readonly enabled: boolean;
  readonly #warn: (message: string) => void;
  readonly #available: ReadonlySet<string> | null;
  readonly #refused = new Set<string>();
  #maxFields: number;
  /** Most rows of one answer. */
  pageSize: number;
  #oldestMs: number;
  #longestMs: number;

  constructor(dataset: Dataset, settings: DatasetSettings, warn: (message: string) => void) {
    const { enabled, availableFields, maxPageSize, maxNumberOfFields, notOlderThan, maxDuration } = settings;
    this.dataset = dataset;
    this.#warn = warn;
    this.enabled = enabled !== false;
    this.#available = availableFields?.length ? new Set(availableFields.map((field) => field.toLowerCase())) : null;
    this.#maxFields = maxNumberOfFields || ASSUMED.maxNumberOfFields;
    this.pageSize = maxPageSize || ASSUMED.maxPageSize;
    this.#oldestMs = (notOlderThan || ASSUMED.notOlderThan) * 1_000;
    this.#longestMs = (maxDuration || ASSUMED.maxDuration) * 1_000;
  }

  /**
   * The fields that may be asked for, most wanted first.
   * @throws {RayguardError} `ERR_RAYGUARD_ANALYTICS_PLAN` where a required one is not among them
   */
  fields(required: readonly string[], optional: readonly string[]): string[] {
    const missing = required.filter((field) => !this.#mayAsk(field));
    if (missing.length > 0) {
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_PLAN",
        `The plan of this zone does not let ${this.dataset} be asked for ${missing.map(leafOf).join(", ")}.`,
      );
    }
    return [...required, ...optional.filter((field) => this.#mayAsk(field))].slice(0, this.#maxFields);
  }

  /** Whether a field may be filtered by. */
  mayFilter(field: string): boolean {
    return !this.#refused.has(field.toLowerCase());
  }

  #mayAsk(field: string): boolean {
    const name = field.toLowerCase();
    if (this.#refused.has(leafOf(field).toLowerCase())) return false;
    return this.#available === null || this.#available.has(name);
  }

  /**
   * The part of a range that may be asked for.
   * @throws {RayguardError} `ERR_RAYGUARD_ANALYTICS_TIME_RANGE` where that is nothing
   */
  clamp(range: Range): Range {
    const edge = Date.now() - this.#oldestMs;
    if (range.from >= edge) return range;
    const oldest = Math.ceil((edge + MARGIN_MS) / 1_000) * 1_000;
    const limit = `the plan of this zone keeps the last ${formatSpan(this.#oldestMs)}`;
    if (range.to <= oldest)
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_TIME_RANGE",
        `Nothing of the time range can be asked for: ${limit}.`,
      );
    this.#warn(`Counted only from ${new Date(oldest).toISOString()} on: ${limit}.`);
    return { from: oldest, to: range.to };
  }

  /** A range in pieces that may be asked for, newest first. */
  windows(range: Range): Range[] {
    return windowsOf(range, this.#longestMs).reverse();
  }

  /**
   * Learns from a refusal.
   * @returns what to ask for instead of `window`
   * @throws {RayguardError} where there is nothing to be done
   */
  adapt({ refusal }: RefusedQuery, window: Range): Range[] {
    const { kind, message } = refusal;
    const length = window.to - window.from;
    if (kind === "field" && !this.#refused.has(refusal.field)) {
      this.#refused.add(refusal.field);
      return [window];
    }
    if (kind === "too long" && length > SHORTEST_MS) {
      const half = Math.ceil(length / 2_000) * 1_000;
      const { limitMs } = refusal;
      this.#longestMs = limitMs !== null && limitMs >= SHORTEST_MS && limitMs < length ? limitMs : half;
      return this.windows(window);
    }
    if (kind === "too old") {
      // Without a number in it, a window at a time.
      const limitMs = refusal.limitMs ?? Date.now() - window.to;
      // Where the limit is no news, the clocks differ.
      this.#oldestMs = Math.min(limitMs, this.#oldestMs * 0.99);
      return this.#rest(window);
    }
    if (kind === "too many rows" && this.pageSize > 1) {
      this.pageSize = Math.min(refusal.limit || this.pageSize, Math.ceil(this.pageSize / 2));
      return [window];
    }
    if (kind === "too many fields" && this.#maxFields > 1) {
      this.#maxFields = Math.min(refusal.limit ?? this.#maxFields, this.#maxFields - 1);
      return [window];
    }
    if (kind === "dataset")
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_PLAN",
        `The plan of this zone does not have ${this.dataset}: ${message}.`,
      );
    throw new RayguardError("ERR_RAYGUARD_ANALYTICS_QUERY", `The query was refused: ${message}.`);
  }

  #rest(window: Range): Range[] {
    try {
      return [this.clamp(window)];
    } catch {
      this.#warn(
        `Not counted: ${new Date(window.from).toISOString()} to ${new Date(window.to).toISOString()}, which is older than the plan of this zone keeps.`,
      );
      return [];
    }
  }
}

/** Asks what may be asked. */
export async function askLimits<D extends Dataset>(
  transport: Transport,
  zone: string,
  datasets: readonly D[],
  warn: (message: string) => void,
): Promise<Record<D, Limits>> {
  let settings: Readonly<Record<string, DatasetSettings | null | undefined>> = {};
  try {
    const answer = await askZone(transport, settingsQuery(datasets), { zone });
    settings = (answer.settings ?? {}) as typeof settings;
  } catch (error) {
    if (!(error instanceof RefusedQuery)) throw error;
  }
  const limits = datasets.map((dataset) => {
    const told = settings[dataset];
    if (!told) warn(`The limits of ${dataset} cannot be read; those of the smallest plan are assumed.`);
    return [dataset, new Limits(dataset, told ?? {}, warn)] as const;
  });
  return Object.fromEntries(limits) as Record<D, Limits>;
}

/**
 * Works through a range, window by window, and asks in another way for what is refused.
 * @param work - asks for one window; its result counts only as a whole
 */
export async function overWindows<T>(
  limits: Limits,
  range: Range,
  work: (window: Range) => Promise<T>,
  take: (result: T) => boolean,
): Promise<void> {
  const windows = limits.windows(limits.clamp(range));
  for (let window = windows.shift(); window !== undefined; window = windows.shift()) {
    try {
      if (!take(await work(window))) return;
    } catch (error) {
      if (!(error instanceof RefusedQuery)) throw error;
      windows.unshift(...limits.adapt(error, window));
    }
  }
}
