import type { ExchangeOptions } from "../../../src/testing/index.js";
import type { Misused, Shown } from "../../origins/scenario.js";

/** Content of a request. */
export interface Upload {
  readonly octets: number;
  readonly chunked: boolean;
  /** The origin server answers without having read it. */
  readonly unread?: true;
}

/** A way in which an origin server goes wrong, and what a client must see of it through every proxy. */
export interface Misbehaviour {
  /** A fact in plain words, unique. */
  readonly name: string;
  /** Answers on the raw objects of `node:http`. */
  readonly origin?: (req: Misused, res: Misused) => unknown;
  /** In place of `origin`, where a framework has a way of its own. */
  readonly express?: (req: Misused, res: Misused, next: (error?: unknown) => void) => unknown;
  readonly fastify?: (request: Misused, reply: Misused) => unknown;
  readonly request?: { method?: string; version?: "1.0" | "1.1"; headers?: Record<string, string> };
  /** Makes the request a POST. */
  readonly upload?: Upload;
  readonly options?: ExchangeOptions;
  /** Alternatives. */
  readonly shows: readonly Shown[];
  /** Seen without the guard, behind every proxy: its own 502, 504 or 520, or anything but what `shows` allows. */
  readonly bare?: "gateway" | "wrong";
}
