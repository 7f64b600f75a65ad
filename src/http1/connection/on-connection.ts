import type { IncomingMessage } from "node:http";
import type { Exchange } from "../../exchange/exchange.js";
import type { Failure } from "../../report/incidents.js";
import type { NodeResponse, WriteCallback } from "../node/node-internals.js";

/** An exchange, as its connection knows it, and whoever comes to it by way of that. */
interface Present extends Exchange {
  /**
   * The app writes to the socket itself.
   * @param last - it ends the connection with these octets
   * @returns true where the guard takes them
   */
  socketWrite(octets: Buffer, last: boolean): boolean;
  /** The app ends or destroys the connection. @returns true where the guard takes over */
  closing(how: string, error: unknown): boolean;
}

/** One that Node has made a response for. */
export interface WithResponse extends Present {
  readonly request: IncomingMessage;
  readonly response: NodeResponse;
  /** Next exchange on the same connection, in the order of the requests. */
  following: WithResponse | null;
  /** Who has ended the connection, in the app's view; null while it stands. */
  goneBy: "client" | "app" | null;
  /** Its turn had not come by then: Node never gets to its end. */
  goneInQueue: boolean;
  /** Tells of that at once; undefined where it is told already, or in another way. */
  tellDeparture: (() => void) | undefined;
  /** What has ended the connection, as far as Node knows: whatever fails from here on follows from that. */
  fault: Failure | undefined;
  /** The connection is gone. */
  gone(): void;
}

/** One that has nothing but the socket to be answered on: an upgrade, a CONNECT, or what is no request. */
export interface WithoutResponse extends Present {
  readonly response?: undefined;
  /** The app has written octets before its turn. @returns what `write()` returns */
  keep(octets: number, callback: WriteCallback): boolean;
}

export type OnConnection = WithResponse | WithoutResponse;
