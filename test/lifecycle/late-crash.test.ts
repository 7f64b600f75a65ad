import { connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";

// What throws in the call behind the last octet of a response keeps Node from all that follows: the process ends at once
// all the same, as without the guard, and not at the end of its grace.

afterEach(endPrograms);

const APP = `
import { createServer } from "node:http";
const boom = () => { throw new Error("boom"); };
const ways = {
  "/end-callback": (response) => response.end("ok", boom),
  "/write-callback": (response) => { response.write("o", boom); response.end("k"); },
  "/first-listener": (response) => response.prependListener("finish", boom).end("ok"),
  "/finish": (response) => response.on("finish", boom).end("ok"),
  "/close": (response) => response.on("close", boom).end("ok"),
};
createServer(({ url }, response) => ways[url](response))
  .listen(0, "127.0.0.1", function () { process.send(this.address().port); });
`;

it.each(["/end-callback", "/write-callback", "/first-listener", "/finish", "/close"])("of %s", async (path) => {
  const program = Program.start("app.mjs", APP);
  const [port] = (await program.ports()) as [number];
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const askedAt = performance.now();
  let octets = "";
  for await (const text of socket) octets += text;
  expect(await program.end()).toBe(1);
  expect(performance.now() - askedAt).toBeLessThan(5_000);
  expect(octets).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n(ok|2\r\nok\r\n0\r\n\r\n|1\r\no\r\n1\r\nk\r\n0\r\n\r\n)$/);
  expect(program.lines("request")).toMatchObject([{ url: path, status: 200, outcome: "intact" }]);
});
