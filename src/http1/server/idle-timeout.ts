import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { setImmediate } from "../../clock.js";
import { connectionOf } from "../methods/connection-of.js";
import type { Http1Server } from "./server-guard.js";

/**
 * Node has read nothing on a connection for as long as the server allows, and is about to destroy it. Where the process
 * was busy, that time is over before anybody has looked: timers come before what has arrived in a turn of the event
 * loop. A request that is there already would be reset, so what has arrived is read first.
 * @returns undefined where requests are under way, which have an end of their own
 */
export function emitTimeout(
  server: Http1Server,
  below: Http1Server["emit"],
  client: Socket | ServerHttp2Session,
): true | undefined {
  const isSession = "goaway" in client;
  if (!isSession && !connectionOf(client).isIdle) return undefined;
  const read = () => (isSession ? client.socket : client).bytesRead;
  const before = read();
  setImmediate(() => {
    if (client.destroyed || read() !== before) return;
    if (!Reflect.apply(below, server, ["timeout", client])) client.destroy();
  });
  return true;
}
