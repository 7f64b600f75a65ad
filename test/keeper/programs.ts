/** Programs that know nothing of a guard or a keeper: what they answer with, and ways for them to end. */

const HANDLE = `
const die = {
  kill: () => process.kill(process.pid, "SIGKILL"),
  segv: () => process.kill(process.pid, "SIGSEGV"),
  abort: () => process.abort(),
  exit: () => process.exit(3),
  throw: () => setImmediate(() => { throw new Error("mine"); }),
  loop: () => { for (;;); },
  memory: () => { const kept = []; for (;;) kept.push(new Array(100_000).fill(Math.random())); },
};
function handle(request, response) {
  const [path, how] = request.url.split("?");
  if (path === "/die") return void die[how]();
  if (path === "/wait") return;
  if (path === "/half") {
    response.writeHead(200, { "content-length": 200_000 });
    return void response.write("x".repeat(100_000));
  }
  let octets = 0;
  request.on("data", (chunk) => { octets += chunk.length; });
  request.on("end", () => {
    const answer = [request.url, process.pid, octets].join(" ");
    if (path.endsWith("0")) setTimeout(() => response.end(answer), 3);
    else if (path.endsWith("1")) {
      response.write(answer);
      setTimeout(() => response.end(), 2);
    } else response.end(answer);
  });
}
`;

const TELL = "function () { process.send?.(this.address().port); }";

export const PROGRAMS = {
  node: [
    "app.mjs",
    `import { createServer } from "node:http";${HANDLE}createServer(handle).listen(0, "127.0.0.1", ${TELL});`,
  ],
  express4: [
    "app.cjs",
    `const express = require("express4");${HANDLE}express().use(handle).listen(0, "127.0.0.1", ${TELL});`,
  ],
  express5: [
    "app.mjs",
    `import express from "express";${HANDLE}express().use(handle).listen(0, "127.0.0.1", ${TELL});`,
  ],
  fastify: [
    "app.mjs",
    `import fastify from "fastify";${HANDLE}
const app = fastify();
app.addContentTypeParser("*", (_request, _content, done) => done(null));
app.all("/*", (request, reply) => { reply.hijack(); handle(request.raw, reply.raw); });
app.listen({ port: 0, host: "127.0.0.1" }).then(() => process.send?.(app.server.address().port));`,
  ],
} as const satisfies Record<string, readonly [name: string, text: string]>;
