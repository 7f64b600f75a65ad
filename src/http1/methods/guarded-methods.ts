import type { Readable } from "node:stream";
import { nextTick } from "../../clock.js";
import { belongsToDomain } from "../../exchange/domain.js";
import { tailOf } from "../../exchange/heartbeat.js";
import { handlerError } from "../../report/incidents.js";
import { isGone } from "../connection/destroyed-by-node.js";
import { showGone } from "../connection/gone-socket.js";
import { isBypassed } from "../exchange/bypass.js";
import { sendContent } from "../exchange/content.js";
import { destroyedBeforeTurn, finishUnseen, isNeverFinished, markDestroyed } from "../exchange/departure.js";
import { answersAfterAll } from "../exchange/destroyed-request.js";
import { detached, reattached } from "../exchange/detached.js";
import type { GuardedExchange } from "../exchange/guarded-exchange.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { passInterim, sendWaiting } from "../exchange/interim-gate.js";
import { keepGathered, sendGathered } from "../exchange/own-chunks.js";
import { writeAfterDestroy } from "../message/write-callbacks.js";
import type { ExchangeMethods, NativeMethods, WriteInformation } from "../node/native-methods.js";
import {
  forgetContent,
  GATHERS_CHUNKS,
  LOSES_CORKED_CHUNKS,
  type NodeSocket,
  type WriteCallback,
} from "../node/node-internals.js";
import { writeEarlyHints, writeInformation } from "./early-hints.js";
import { storeHeader } from "./field-sections.js";
import { watchSource } from "./piped-source.js";
import { leavesOut, RESET_CONTENT } from "./reset-content.js";
import { addTrailers, beforeEnd } from "./trailers.js";

/** What the methods do to a response that is guarded. */
export function guardedMethods(native: NativeMethods): ExchangeMethods<GuardedExchange> {
  const guarded: ExchangeMethods<GuardedExchange> = {
    _storeHeader: storeHeader,

    _send: sendContent,

    _writeRaw(exchange, data, encoding, callback, size) {
      if (isBypassed(exchange)) return native._writeRaw.call(this, data, encoding, callback, size);
      if (typeof encoding === "function") return passInterim(exchange, data, null, encoding);
      return passInterim(exchange, data, encoding, callback);
    },

    _flushOutput(exchange, socket) {
      const was = exchange.passing;
      exchange.passing = true;
      if (exchange.interims !== null) sendWaiting(exchange);
      try {
        return native._flushOutput.call(this, socket);
      } finally {
        exchange.passing = was;
        // An app that corked its response while it waited for its turn, and has ended it, will never uncork the socket.
        // Nor may it keep back what stands in the place of it.
        if (this.finished || exchange.phase.isVoid) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      }
    },

    write(exchange, chunk, encoding, callback) {
      if (exchange.goneBy !== null && !exchange.reopened) {
        // It goes out all the same, but not as far as the app is told.
        const isRefused = this.destroyed && !this.finished;
        const given = typeof encoding === "function" ? [undefined, encoding] : [encoding, callback];
        const refused = isRefused && typeof given[1] === "function" ? (given.pop() as WriteCallback) : undefined;
        const wrote = asIfOpen(exchange, () => guarded.write.call(this, exchange, chunk, given[0], given[1]));
        if (refused) nextTick(refused, writeAfterDestroy());
        return wrote && !this.destroyed;
      }
      if (this.finished) exchange.wroteLate();
      else if (typeof encoding === "string" && !exchange.phase.discards) checkEncoding(chunk, encoding);
      if (!exchange.isHttp11) leaveUnchunked(exchange);
      if ((exchange.decidedStatus || this.statusCode) === RESET_CONTENT && leavesOut(exchange, chunk)) chunk = "";
      try {
        if (GATHERS_CHUNKS) sendGathered(this);
        const goesOn = native.write.call(this, chunk, encoding, callback);
        if (GATHERS_CHUNKS) keepGathered(this);
        if (exchange.settings.heartbeatMs !== false)
          exchange.tail = tailOf(exchange.tail, chunk as string | Uint8Array);
        return goesOn;
      } catch (error) {
        if (this._header === null) forgetContent(this);
        if (!exchange.isUnattended) throw error;
        exchange.fail(handlerError(error));
        return false;
      }
    },

    end(exchange, chunk, encoding, callback) {
      if (exchange.goneBy !== null && !exchange.reopened) {
        // Nobody is called back for an end that does not leave, as far as the app is told.
        const isLost = this.destroyed && !this.finished;
        const [content, coding] = [chunk, encoding].map((given) =>
          isLost && typeof given === "function" ? null : given,
        );
        return asIfOpen(exchange, () =>
          guarded.end.call(this, exchange, content, coding, isLost ? undefined : callback),
        );
      }
      if (this.finished) {
        if (chunk && typeof chunk !== "function") exchange.wroteLate();
        return native.end.call(this, chunk, encoding, callback);
      }
      if (typeof encoding === "string" && !exchange.phase.discards) checkEncoding(chunk, encoding);
      if (!exchange.isHttp11) leaveUnchunked(exchange);
      if ((exchange.decidedStatus || this.statusCode) === RESET_CONTENT && leavesOut(exchange, chunk))
        chunk = undefined;
      if (GATHERS_CHUNKS && Object.hasOwn(this, "uncork")) sendGathered(this);
      if (LOSES_CORKED_CHUNKS && this.chunkedEncoding && this.writableCorked !== 0) {
        // Below zero too: an `uncork()` without `cork()` makes Node keep every later chunk until after the last one.
        while (this.writableCorked < 1) this.cork();
        while (this.writableCorked > 0) this.uncork();
      }
      exchange.inEnd = true;
      if (exchange.sourceError !== undefined || this._trailer !== "") beforeEnd(exchange);
      try {
        native.end.call(this, chunk, encoding, callback);
      } catch (error) {
        exchange.endThrew();
        if (!exchange.isUnattended) throw error;
        exchange.fail(handlerError(error));
        return this;
      }
      exchange.ended();
      return this;
    },

    destroy(exchange, error) {
      if (exchange.phase.isSettled || isGone(exchange.connection, error)) return native.destroy.call(this, error);
      const { destroyed } = this;
      // Node heeds the first one alone.
      if (!exchange.closing("res.destroy", destroyed ? undefined : error)) native.destroy.call(this, error);
      else {
        // What the app has asked for is what it finds, while the guard answers in its place.
        if (!destroyed) markDestroyed(this, error);
        if (!destroyed && exchange.isQueued) destroyedBeforeTurn(this);
        if (this.socket !== null && exchange.goneBy !== null) showGone(exchange.connection);
      }
      return this;
    },

    detachSocket(exchange, socket) {
      const isSwitched = exchange.phase.isSettled && exchange.status === 101;
      // Node detaches the socket itself when it emits `finish`, and ends the process where the app was first.
      if (!exchange.finishing && !this.writableFinished && !isSwitched) {
        if (this.socket !== socket || exchange.phase.isOver) return;
      }
      // An app was first, after its response had been flushed: Node's own call would end the process.
      if ((socket as NodeSocket)._httpMessage !== this) return;
      native.detachSocket.call(this, socket);
      if (!isSwitched) detached(exchange);
    },

    addTrailers(_exchange, trailers) {
      addTrailers(this, native.addTrailers, trailers);
    },

    writeEarlyHints(exchange, hints, callback) {
      return writeEarlyHints(exchange, native.writeEarlyHints, hints, callback);
    },

    writeInformation(exchange, ...args) {
      return writeInformation(exchange, native.writeInformation as WriteInformation, args);
    },

    emit(exchange, event, argument) {
      // A listener for `pipe` on every response would cost more, and be seen by whoever counts listeners.
      if (event === "socket") reattached(exchange);
      else if (event === "pipe") watchSource(exchange, argument as Readable);
      else if (event === "close") {
        if (!exchange.phase.isSettled) exchange.closed();
      } else if (event === "prefinish") {
        if (exchange.goneBy !== null && isNeverFinished(exchange)) return false;
      } else if (event === "finish") {
        if (exchange.goneBy !== null && finishUnseen(exchange)) return true;
      } else if (this.listenerCount("error") === 0 && !belongsToDomain(this)) {
        // With nobody listening, an error of the response would end the process; Node's own and the app's alike.
        if (!exchange.fail(handlerError(argument))) exchange.wroteLate(argument);
        return true;
      }
      return undefined;
    },
  };
  return guarded;
}

/** Calls a method of a response that is destroyed only in the app's view. */
function asIfOpen<T>(exchange: GuardedExchange, call: () => T): T {
  const { response } = exchange;
  const { destroyed } = response;
  answersAfterAll(exchange);
  exchange.reopened = true;
  response.destroyed = false;
  try {
    return call();
  } finally {
    response.destroyed = destroyed;
    exchange.reopened = false;
  }
}

/** An app that turns chunks on behind the header section would have an HTTP/1.0 client take their sizes for content. */
function leaveUnchunked({ response }: Http1Exchange): void {
  if (response._header !== null) response.chunkedEncoding = false;
}

/** Node throws for an unknown encoding only when the octets leave, which under hold-back is too late for the caller. */
function checkEncoding(chunk: unknown, encoding: string): void {
  if (encoding !== "" && typeof chunk === "string" && !Buffer.isEncoding(encoding)) {
    throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: "ERR_UNKNOWN_ENCODING" });
  }
}
