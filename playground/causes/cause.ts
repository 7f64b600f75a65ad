import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Answers wrongly, on the objects of `node:http`; Express and Fastify both run it as a route's handler. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * How a cause is provoked: one request; one request while another is being answered (`bystander`); one request right
 * behind another (`next`) or after a pause (`idle`) on the same connection; one that asks for another protocol
 * (`upgrade`), expects 100 (`expect`) or has a large header section (`large`); many at once (`burst`); some under way
 * when the process is told to end (`deploy`); one that goes around the edge (`around`).
 */
export type Probe =
  | "request"
  | "bystander"
  | "next"
  | "idle"
  | "upgrade"
  | "expect"
  | "large"
  | "burst"
  | "deploy"
  | "around";

/** One way in which an origin server makes the edge show 520, 524 or a cut response. */
export interface Cause {
  /** Last segment of the route. */
  readonly name: string;
  readonly title: string;
  readonly probe?: Probe;
  readonly handler?: Handler;
  /** In place of `handler`, where Fastify has an idiom of its own for the same mistake. */
  readonly fastify?: (request: FastifyRequest, reply: FastifyReply) => unknown;
  /** The mistake of a listener on the server instead of a route. */
  readonly server?: (server: Server) => void;
  /** Part of the response is with the visitor when it fails: no 520, and a visible break is all that is left. */
  readonly mayBreak?: true;
  /** Ends with a deadline or a read timeout: provoked beside the others of its kind, to save time. */
  readonly waits?: true;
  /** Whether a complete response fails all the same, by what it says. */
  readonly isDeceived?: (content: string) => boolean;
}

export const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
