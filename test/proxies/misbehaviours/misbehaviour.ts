import type { ExchangeOptions, ExchangeRequest } from "../../../src/testing/index.js";
import type { Misused, Shown } from "../../origins/scenario.js";

/** A way in which an origin server goes wrong, and what a client must see of it through every proxy. */
export interface Misbehaviour {
  /** A fact in plain words, unique. */
  readonly name: string;
  /** Answers on the raw objects of `node:http`. */
  readonly origin?: (req: Misused, res: Misused) => unknown;
  /** In place of `origin`, where a framework has a way of its own. */
  readonly express?: (req: Misused, res: Misused, next: (error?: unknown) => void) => unknown;
  readonly fastify?: (request: Misused, reply: Misused) => unknown;
  readonly request?: ExchangeRequest;
  readonly options?: ExchangeOptions;
  /** Alternatives. */
  readonly shows: readonly Shown[];
  /** Without the guard every proxy answers with an error of its own, or with nothing whole; on both frameworks or one. */
  readonly bare?: true | "Express";
}
