import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { AddressInfo, Server } from "node:net";
import { contained } from "../containment.js";

/** Node tells there of each server that has begun to listen. */
const LISTENS = "tracing:net.server.listen:asyncEnd";

type Address = AddressInfo | string | null;

/** Addresses of every interface. */
const WILDCARDS = new Set(["::", "0.0.0.0"]);

/**
 * Waits for another server of this process to listen where one has just been closed, or for that to listen again.
 * @param left - where that was
 * @param found - told of the other one
 * @returns a function that waits no more
 */
export function awaitSuccessor(server: Server, left: Address, found: () => void, again: () => void): () => void {
  if (left === null) return () => {};
  const look = contained(undefined, (message: unknown) => {
    const { server: other } = message as { server: Server };
    if (other === server) again();
    else if (isSame(left, other.address())) found();
  });
  subscribe(LISTENS, look);
  return () => void unsubscribe(LISTENS, look);
}

function isSame(left: Address, right: Address): boolean {
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return left === right;
  if (left.port !== right.port) return false;
  return left.address === right.address || [left, right].some(({ address }) => WILDCARDS.has(address));
}
