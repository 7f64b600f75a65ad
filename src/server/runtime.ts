import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { hasInternals } from "../http1/node-internals.js";

let found: { readonly runtime: string | undefined } | undefined;

/**
 * Name and version of a runtime whose `node:http` is not Node's; undefined where it is. Other runtimes have the public
 * methods of Node over an implementation of their own: what the guard does below them would send heads twice or lose
 * content.
 */
export function unsupportedRuntime(): string | undefined {
  found ??= { runtime: findRuntime() };
  return found.runtime;
}

function findRuntime(): string | undefined {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  if (deno !== undefined) return `Deno ${deno}`;
  return hasInternals(new ServerResponse(new IncomingMessage(new Socket()))) ? undefined : `Node ${node}`;
}
