import { RayguardError } from "../errors.js";
import { hasInternals } from "../http1/node/node-internals.js";
import { OutgoingMessage, ServerResponse } from "../node-http.js";
import type { Settings } from "../options/options.js";

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

/** Nothing is opened for requests that only pass through. @throws {RayguardError} where the option asks for it */
export function settingsUnder(runtime: string | undefined, settings: Settings): Settings {
  if (runtime === undefined) return settings;
  if (settings.unsupportedRuntime === "error") {
    throw new RayguardError(
      "ERR_RAYGUARD_UNSUPPORTED_RUNTIME",
      `The guard knows node:http of Node alone; this is ${runtime}.`,
    );
  }
  return { ...settings, lint: false, recorder: false, overload: false };
}

function findRuntime(): string | undefined {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  if (deno !== undefined) return `Deno ${deno}`;
  // The constructor of ServerResponse would tell observers of a response that nobody has asked for.
  const response = Object.setPrototypeOf(new OutgoingMessage(), ServerResponse.prototype) as object;
  return hasInternals(response) ? undefined : `Node ${node}`;
}
