import { EventEmitter } from "node:events";
import { createServer, IncomingMessage, OutgoingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Duplex, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

describe("a method that a class inherits, replaced where it stands after the guard is attached", () => {
  type Class = new (...args: never[]) => object;
  const INHERITED: [of: Class, from: { readonly prototype: object; readonly name: string }, name: string][] = [
    [ServerResponse, OutgoingMessage, "write"],
    [ServerResponse, OutgoingMessage, "end"],
    [ServerResponse, OutgoingMessage, "destroy"],
    [ServerResponse, OutgoingMessage, "_send"],
    [ServerResponse, OutgoingMessage, "_storeHeader"],
    [ServerResponse, EventEmitter, "emit"],
    [IncomingMessage, Readable, "destroy"],
    [Socket, Duplex, "write"],
    [Socket, Duplex, "destroy"],
  ];
  const cases = INHERITED.map(([of, from, name]) => [name, from.name, { of, parent: from.prototype }] as const);

  it.each(cases)("is called: %s, of %s", async (name, _from, { of, parent }) => {
    const calls: number[] = [];
    for (const mode of ["bare", "report", "enforce"] as const) {
      const server = createServer((_request, response) => {
        response.write("a");
        response.once("close", () => response.destroy());
        response.end("b");
      });
      if (mode !== "bare") createGuard({ logger: false, mode }).attach(server);
      await listen(server);
      let count = 0;
      const methods = parent as Record<string, (...args: unknown[]) => unknown>;
      const below = methods[name] as (...args: unknown[]) => unknown;
      methods[name] = function (...args) {
        // The client's socket is of no server.
        if (this instanceof of && !(this instanceof Socket && !("server" in this))) count++;
        return below.apply(this, args);
      };
      const { end } = await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      methods[name] = below;
      expect(end).toBe("fin");
      calls.push(count);
    }
    const [bare, ...guarded] = calls;
    expect(bare).toBeGreaterThan(0);
    expect(guarded).toEqual([bare, bare]);
  });
});
