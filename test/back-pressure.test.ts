import http from "node:http";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";

it("stops a source that pushes within one tick, and goes on with it", async () => {
  let stopped = false;
  const server = http.createServer((_req, res) => {
    let pushed = 0;
    res.once("drain", () => {
      stopped = true;
    });
    new Readable({
      read: function read() {
        this.push(pushed++ < 20 ? Buffer.alloc(10_000) : null);
      },
    }).pipe(res);
  });
  createGuard({ logger: false }).attach(server.listen(0));
  const { responses, valid } = await exchange(server, { path: "/" });
  server.close();
  expect([valid, responses[0]?.content.byteLength, stopped]).toEqual([true, 200_000, true]);
});
