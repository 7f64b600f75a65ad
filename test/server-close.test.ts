import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FRAMEWORKS, start } from "./helpers/told.js";
import { WAYS } from "./helpers/ways-to-end.js";

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Ways in which the connection is gone for the app, while the guard keeps it for what its client may still read. */
const KEPT = [
  "bad chunk",
  "GET, FIN",
  "whole upload read, FIN",
  "res.destroy()",
  "req.destroy()",
  "socket.destroy(error)",
] as const;

describe.each(FRAMEWORKS)("a server of %s that is closed when its app knows of no connection any more", (framework) => {
  describe.each(["once it has been told", "while it is being told"] as const)("%s", (when) => {
    it.each(KEPT)("does not wait for that of: %s", async (name) => {
      const way = WAYS[name] as NonNullable<(typeof WAYS)[string]>;
      let close: (server: Server) => void = () => {};
      const told = new Promise<Server>((resolve) => {
        close = resolve;
      });
      const running = await start(framework, "enforce", (req, res) => {
        // Some of the ways have an error, which a listener takes from the process.
        req.on("error", () => {});
        const tell = () => close(running.server);
        if (when === "while it is being told") req.once("aborted", tell).socket.once("close", tell);
        else res.once("close", () => setImmediate(tell));
        way.app(req, res);
        // Once all of it has arrived.
        setTimeout(() => {
          way.does?.(req, res);
          way.client?.(client);
        }, 20);
      });
      closing.push(running.close);
      const [[accepted], client] = await Promise.all([
        once(running.server, "connection") as Promise<[Socket & { _handle: unknown }]>,
        Promise.resolve().then(() => dial(running.server, way.sends)),
      ]);
      const server = await told;
      await new Promise((resolve) => server.close(resolve));
      // The client has not let go of it: somebody else must be waiting for that.
      expect(accepted._handle).not.toBe(null);
      expect(client.closed).toBe(false);
    });
  });
});

/** A client that reads nothing, and never closes. */
function dial(server: Server, octets: string): Socket {
  const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  closing.push(() => client.destroy());
  client.on("error", () => {});
  client.write(octets, "latin1");
  return client;
}
