import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { WITH_GUARD } from "./program.js";

const run = promisify(execFile);

/** Sends a form through an undici of its own, which Node's would not know for one. */
const PROGRAM = `const { createServer } = require("node:http");
const { Agent, FormData, getGlobalDispatcher, request } = require("undici");
const server = createServer(async (incoming, response) => {
  let text = "";
  for await (const chunk of incoming) text += chunk;
  response.end(String(text.includes("the value")));
});
server.listen(0, "127.0.0.1", async () => {
  const body = new FormData();
  body.set("name", "the value");
  const url = "http://127.0.0.1:" + server.address().port;
  const answer = await request(url, { method: "POST", body });
  console.log(answer.statusCode, await answer.body.text(), getGlobalDispatcher() instanceof Agent);
  process.exit();
});`;

describe("an undici that a program has installed", { timeout: 30_000 }, () => {
  it.each([
    ["no guard", [], ""],
    ["rayguard/register", WITH_GUARD, ""],
    ["rayguard", [], 'require("rayguard");'],
    ["rayguard/express", [], 'require("rayguard/express");'],
    ["rayguard/fastify", [], 'require("rayguard/fastify");'],
  ])("stays its own dispatcher beside %s", async (_, flags, load) => {
    const { stdout } = await run(process.execPath, [...flags, "-e", `${load}\n${PROGRAM}`], {
      cwd: join(import.meta.dirname, "../.."),
      env: { ...process.env, NODE_ENV: "production" },
      timeout: 10_000,
    });
    expect(stdout).toContain("200 true true\n");
  });
});
