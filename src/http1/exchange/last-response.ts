import { nextTick } from "../../clock.js";
import { contained } from "../../containment.js";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import { asOwn, onceClosed } from "../connection/socket-close.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { closeSoon } from "./tear-down.js";

/** Writes to a socket that Node has been made to forget, and ends it. */
export function finishDetached(exchange: Http1Exchange, octets: Buffer): void {
  const { connection } = exchange;
  connection.detached = null;
  const holder = connection.socket._httpMessage;
  if (holder && anyExchangeOf(holder)?.phase.isCommitted) {
    // Another response has the socket already; octets of this one would end up in it.
    exchange.settle(false);
    return;
  }
  sendLast(exchange, octets);
}

/** Writes the last response of the connection past Node's own, and closes it once that is flushed. */
export function sendLast(exchange: Http1Exchange, octets: Buffer): void {
  const { connection, supervisor } = exchange;
  const { socket } = connection;
  connection.own(() => socket.write(octets));
  connection.remove(exchange);
  connection.lastResponse = exchange;
  const finished = () => {
    connection.lastResponse = null;
    exchange.settle(true);
  };
  socket.prependOnceListener("finish", asOwn(contained(supervisor, finished)));
  const closed = contained(supervisor, () => exchange.settle(false));
  onceClosed(socket, closed, true);
  // A response of the app's own making still writes its end, which is nothing but the callback that finishes it.
  if (exchange.isDetached) nextTick(contained(supervisor, () => closeSoon(connection)));
  else closeSoon(connection);
}

/** From here on the app's own writes go straight out, until it ends the connection. */
export function passThrough(exchange: Http1Exchange, octets: Buffer): void {
  const { connection } = exchange;
  connection.own(() => connection.socket.write(octets));
  connection.released = true;
  const closed = contained(exchange.supervisor, () => exchange.settle(true));
  onceClosed(connection.socket, closed, true);
}
