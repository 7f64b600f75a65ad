import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { isGone } from "../connection/destroyed-by-node.js";
import { isWritable } from "../connection/gone-socket.js";
import { isBypassed } from "../exchange/bypass.js";
import { watchContent } from "../exchange/content.js";
import { detached, reattached } from "../exchange/detached.js";
import { isSwitch, watchInterims } from "../exchange/interim-gate.js";
import type { WatchedExchange } from "../exchange/watched-exchange.js";
import type { ExchangeMethods, NativeMethods, WriteInformation } from "../node/native-methods.js";
import { watchEarlyHints } from "./early-hints.js";
import { watchSource } from "./piped-source.js";
import { watchResetContent } from "./reset-content.js";
import { beforeEnd } from "./trailers.js";
import { watchHeaderSection } from "./watched-header-section.js";

/** What the methods do to a response that is only looked at: each goes on to the one below, with what it was given. */
export function watchedMethods(native: NativeMethods): ExchangeMethods<WatchedExchange> {
  return {
    _storeHeader: watchHeaderSection,

    _send: watchContent,

    _writeRaw(exchange, data, encoding, callback, size) {
      const pass = () => native._writeRaw.call(this, data, encoding, callback, size);
      if (isBypassed(exchange)) return pass();
      const charset = typeof encoding === "string" ? encoding : "utf8";
      const octets = typeof data === "string" ? Buffer.from(data, charset) : Buffer.from(data);
      if (isSwitch(octets)) exchange.socketWrite(octets, false);
      else watchInterims(exchange, octets);
      return exchange.pass(pass);
    },

    _flushOutput(exchange, socket) {
      return exchange.pass(() => native._flushOutput.call(this, socket));
    },

    write(exchange, chunk, encoding, callback) {
      const isLate = this.finished || isAnsweredByHand(exchange, this);
      if (isLate) exchange.wroteLate();
      const result = native.write.call(this, chunk, encoding, callback);
      if (!isLate) watchResetContent(exchange, chunk);
      return result;
    },

    end(exchange, chunk, encoding, callback) {
      if (this.finished) {
        if (chunk && typeof chunk !== "function") exchange.wroteLate();
        return native.end.call(this, chunk, encoding, callback);
      }
      if (isAnsweredByHand(exchange, this)) exchange.wroteLate();
      exchange.inEnd = true;
      beforeEnd(exchange);
      try {
        native.end.call(this, chunk, encoding, callback);
      } catch (error) {
        exchange.inEnd = false;
        throw error;
      }
      watchResetContent(exchange, chunk);
      exchange.ended();
      return this;
    },

    destroy(exchange, error) {
      if (!exchange.phase.isSettled && !isGone(exchange.connection, error)) exchange.closing("res.destroy", error);
      return native.destroy.call(this, error);
    },

    detachSocket(exchange, socket) {
      native.detachSocket.call(this, socket);
      detached(exchange);
    },

    addTrailers(_exchange, trailers) {
      native.addTrailers.call(this, trailers);
    },

    writeEarlyHints(exchange, hints, callback) {
      watchEarlyHints(exchange, hints);
      return native.writeEarlyHints.call(this, hints, callback);
    },

    writeInformation(_exchange, ...args) {
      return (native.writeInformation as WriteInformation).apply(this, args);
    },

    emit(exchange, event, argument) {
      if (event === "socket") reattached(exchange);
      else if (event === "pipe") watchSource(exchange, argument as Readable);
      else if (event === "close" && !exchange.phase.isSettled) exchange.closed();
      return undefined;
    },
  };
}

/** The app has written the whole response to the socket itself: what Node sends for this one comes behind it. */
function isAnsweredByHand(exchange: WatchedExchange, response: ServerResponse): boolean {
  return exchange.phase.isSettled && !response.headersSent && isWritable(exchange.connection.socket);
}
