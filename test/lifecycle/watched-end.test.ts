import { createServer } from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { seen } from "../helpers/http2.js";
import { endPrograms, Program } from "../zero-code/program.js";

// A guard that only reports tells which requests die with their process, and leaves that to die as it would.

afterEach(endPrograms);

const APP = `
import { createServer } from "node:http";
createServer(({ url }, response) => {
  if (url === "/throws-at-once") throw new Error("boom");
  if (url === "/throws") setTimeout(() => { throw new Error("boom"); }, 5);
  if (url === "/rejects") setTimeout(() => Promise.reject(new Error("boom")), 5);
  if (url === "/exits") setTimeout(() => process.exit(3), 5);
  if (url === "/answers") response.end("ok", () => process.exit(3));
  if (url === "/waits") process.send(0);
}).listen(0, "127.0.0.1", function () { process.send(this.address().port); });
`;

/** Sends requests on connections of their own, and waits for the end of the last. */
async function ask(program: Program, last: string): Promise<string> {
  const [port] = (await program.ports()) as [number];
  const send = (path: string) => {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    return socket;
  };
  send("/waits");
  await program.ports(2);
  const socket = send(last).setEncoding("latin1");
  let octets = "";
  for await (const text of socket) octets += text;
  return octets;
}

it.each([
  ["/throws", ["/throws UNCAUGHT", "/waits SHUTDOWN"]],
  ["/throws-at-once", ["/throws-at-once HANDLER_ERROR", "/waits SHUTDOWN"]],
  ["/rejects", ["/rejects UNCAUGHT", "/waits SHUTDOWN"]],
  ["/exits", ["/exits EXIT", "/waits EXIT"]],
  ["/answers", ["/waits EXIT"]],
])("of a process that ends: %s", async (path, expected) => {
  const [bare, reported] = [false, true].map((isGuarded) =>
    Program.start("app.mjs", APP, {
      ...(isGuarded ? {} : { flags: [] }),
      env: { RAYGUARD_OPTIONS: '{"mode":"report"}' },
    }),
  ) as [Program, Program];
  const octets = await Promise.all([ask(bare, path), ask(reported, path)]);
  expect(octets[1].replace(/Date: .*/, "")).toBe(octets[0].replace(/Date: .*/, ""));
  expect(await reported.end()).toEqual(await bare.end());
  // Where it was thrown.
  const shown = ({ stderr }: Program) => stderr.replace(/Error: boom[\s\S]*/, "").replace(/\.program-\w+/, "");
  expect(shown(reported)).toBe(shown(bare));
  await expect.poll(() => reported.lines("request")).toHaveLength(2);
  const incidents = reported.lines("incident");
  expect(incidents.map(({ url, code }) => `${url} ${code}`).sort()).toEqual(expected);
  for (const incident of incidents) expect(incident).toMatchObject({ action: "reported", prevented: 520 });
  const lines = reported.lines("request").map(({ url, incident }) => `${url} ${incident}`);
  expect(lines.sort()).toEqual([...(path === "/answers" ? ["/answers undefined"] : []), ...expected]);
});

it("tells of no exception that the app has taken", async () => {
  const domains = `
import { createServer } from "node:http";
import { create } from "node:domain";
createServer((request, response) => {
  const domain = create().on("error", () => response.end("caught", () => process.exit(3)));
  domain.run(() => setTimeout(() => { throw new Error("boom"); }, 5));
}).listen(0, "127.0.0.1", function () { process.send(this.address().port); });
`;
  const program = Program.start("app.mjs", domains, { env: { RAYGUARD_OPTIONS: '{"mode":"report"}' } });
  const [port] = (await program.ports()) as [number];
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.resume().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await program.end()).toBe(3);
  await expect.poll(() => program.lines("request")).toMatchObject([{ status: 200, outcome: "intact" }]);
  expect(program.lines("incident")).toEqual([]);
});

/** A guard of the app's own says nothing before its first line. */
const OWN = APP.replace("createServer(({", 'server.on("request", ({')
  .replace("}).listen", "}); server.listen")
  .replace('http";', 'http"; import { createGuard } from "rayguard"; const server = createServer(); GUARD')
  .replace("GUARD", "createGuard(JSON.parse(process.env.OPTIONS)).attach(server);");

it.each([
  ["enforce", 503, "replaced"],
  ["report", 0, "client gone"],
])("has all lines of a request that ends its process, though they are the first: %s", async (mode, status, outcome) => {
  const program = Program.start("app.mjs", OWN, { flags: [], env: { OPTIONS: JSON.stringify({ mode }) } });
  const [port] = (await program.ports()) as [number];
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.resume().write("GET /exits HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await program.end()).toBe(3);
  await expect.poll(() => program.lines("request")).toMatchObject([{ status, outcome, incident: "EXIT" }]);
  expect(program.lines("incident")).toMatchObject([{ code: "EXIT" }]);
});

/** The same over HTTP/2, where a session sends nothing more once its process ends. */
const OVER_HTTP2 = OWN.replace('createServer } from "node:http"', 'createServer } from "node:http2"');

it.each([
  ["enforce", 503, true],
  ["report", 0, false],
])("tells what the clients over HTTP/2 of a process that ends have got: %s", async (mode, status, complete) => {
  const program = Program.start("app.mjs", OVER_HTTP2, { flags: [], env: { OPTIONS: JSON.stringify({ mode }) } });
  const [port] = (await program.ports()) as [number];
  const client = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
  const send = (path: string, method = "GET") =>
    seen(client.request({ ":path": path, ":method": method }).on("error", () => {}));
  const waiting = send("/waits");
  await program.ports(2);
  const head = send("/waits", "HEAD");
  await program.ports(3);
  const got = await Promise.all([waiting, head, send("/exits")]);
  expect(await program.end()).toBe(3);
  expect(got.map((one) => one.status)).toEqual([status, status, status]);
  // An answer to HEAD announces what it does not have.
  expect([got[0]?.complete, got[1]?.code === 0, got[2]?.complete]).toEqual([complete, complete, complete]);
  await expect.poll(() => program.lines("request")).toHaveLength(3);
  const lines = program.lines("request") as unknown as { status: number; octets: number }[];
  expect(lines.map(({ octets }) => octets).sort()).toEqual(got.map(({ octets }) => octets).sort());
  for (const line of lines) expect(line).toMatchObject({ status, incident: "EXIT" });
});

it("has the line of a request that ends its process, though it is the first one", async () => {
  const program = Program.start("app.mjs", APP);
  const [port] = (await program.ports()) as [number];
  const socket = connect(port, "127.0.0.1")
    .on("error", () => {})
    .resume();
  socket.write("GET /exits HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await program.end()).toBe(3);
  await expect.poll(() => program.lines("request")).toMatchObject([{ url: "/exits", status: 503, incident: "EXIT" }]);
});

it("of a process that lives on without the guard", async () => {
  const count = () => process.listenerCount("exit") + process.listenerCount("uncaughtExceptionMonitor");
  const before = count();
  const guards = [1, 2].map(() => createGuard({ mode: "report", logger: false }));
  for (const guard of guards) guard.attach(createServer());
  expect(count()).toBe(before + 2);
  for (const guard of guards) guard.close();
  expect(count()).toBe(before);
});
