import { executionAsyncId } from "node:async_hooks";
import type { ServerHttp2Stream } from "node:http2";
import { setImmediate } from "../clock.js";
import { contained, type Witness } from "../containment.js";
import { INTERNAL_ERROR, NO_ERROR } from "./codes.js";
import { handleOf, isDestroyed, isShutDown, keepOpen, type StreamHandle } from "./internals.js";

const VERSION = Number.parseInt(process.versions.node, 10);

/** With all other versions of Node RST_STREAM overtakes what is still to leave of its stream, which is then dropped. */
export const OVERTAKES = VERSION !== 24;

/** A stream that is about to be reset. */
interface Resetting {
  readonly stream: ServerHttp2Stream;
  readonly supervisor: Witness;
  /** The session has been given the whole answer. */
  readonly hasLeft: boolean;
  /** Node sends a file, to the end of which the session comes by itself. */
  readonly fromFile: boolean;
}

/**
 * Has RST_STREAM leave behind all that the session has been given before it. What the app finds of its stream does not
 * wait for that.
 * @param code - in place of the one that Node is going to give
 * @returns whether Node has what this takes
 */
export function resetsBehind({ stream, supervisor, hasLeft, fromFile }: Resetting, code?: number): boolean {
  const handle = handleOf(stream);
  const { session } = stream;
  if (typeof handle?.rstStream !== "function" || typeof handle.destroy !== "function") return false;
  const { rstStream, destroy } = handle;
  // What is broken off is not to come to its end first.
  const isEnding = !hasLeft && (fromFile || isShutDown(stream) === true);
  if (!hasLeft) keepOpen(stream, true);
  handle.rstStream = (given) => {
    const reset = () => rstStream.call(handle, code ?? given);
    if (!OVERTAKES || isEnding || session === undefined || session.state.outboundQueueSize === 0) return reset();
    let isOver = false;
    let isDestroyedMeanwhile = false;
    handle.destroy = () => {
      isDestroyedMeanwhile = true;
      // Nobody is left to read it.
      handle.onread = ignore;
      // Node destroys on its own what is closed meanwhile, and ends the process for whoever resets that.
      if (hasLeft) return onUse(handle, stream, () => (isOver = true));
      reset();
      isOver = true;
    };
    const go = () => {
      if (!isOver && !isDestroyed(session)) reset();
      if (isDestroyedMeanwhile) destroy.call(handle);
    };
    setImmediate(contained(supervisor, go));
  };
  return true;
}

/**
 * Has Node destroy a stream behind its reset. At once it would forget a reset that waits for the end of the stream, and
 * the session make empty frames without end of what is still to leave; and what it reads of a file meanwhile ends the
 * process.
 * @param isReset - Node has been asked for the reset
 */
export function destroysBehind({ stream, supervisor, hasLeft }: Resetting, isReset: boolean): void {
  const handle = handleOf(stream);
  const { session } = stream;
  if (typeof handle?.rstStream !== "function" || typeof handle.destroy !== "function" || session === undefined) return;
  const { rstStream, destroy } = handle;
  handle.destroy = () => {
    let isOver = isReset;
    handle.onread = ignore;
    onUse(handle, stream, () => (isOver = true));
    const go = () => {
      handle.destroy = destroy;
      const code = hasLeft ? NO_ERROR : stream.rstCode || INTERNAL_ERROR;
      if (!isOver && !isDestroyed(session)) rstStream.call(handle, code);
      handle.destroy();
    };
    setImmediate(contained(supervisor, go));
  };
}

/** Runs `act` once every stream that is reset in this turn has been. */
export function behindResets(witness: Witness, act: () => void): void {
  const go = contained(witness, act);
  if (OVERTAKES) setImmediate(contained(witness, () => void setImmediate(go)));
  else setImmediate(go);
}

/** Calls `used` when the session speaks for a stream: it looks for that at the handle, as a write does that is over. */
function onUse(handle: StreamHandle, stream: ServerHttp2Stream, used: () => void): void {
  const owner = Object.getOwnPropertySymbols(handle).find((key) => Reflect.get(handle, key) === stream);
  if (owner === undefined) return used();
  const get = () => {
    if (executionAsyncId() === handle.getAsyncId?.()) used();
    return stream;
  };
  Object.defineProperty(handle, owner, { get, configurable: true });
}

function ignore(): void {}
