import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";

// What throws where Node makes the request and the response, before anybody has seen either, costs that request a 500 at
// once, and the process ends at once, as without the guard.

afterEach(endPrograms);

const APP = `
import { createServer, IncomingMessage, ServerResponse } from "node:http";
const boom = ({ url }) => { if (url === "/bad") throw new Error("boom"); };
const message = class extends IncomingMessage { set url(url) { boom({ url }); this.own = url; } get url() { return this.own; } };
const response = class extends ServerResponse { constructor(request, ...of) { super(request, ...of); boom(request); } };
const ways = { message: { IncomingMessage: message }, response: { ServerResponse: response }, upgrade: { shouldUpgradeCallback: boom } };
if (process.env.LISTENS === "yes") process.on("uncaughtException", () => {});
createServer(ways[process.env.WAY], (request, response) => response.end("ok"))
  .listen(0, "127.0.0.1", function () { process.send(this.address().port); });
`;

const OK = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD = "GET /bad HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

/** All that comes on a connection until it is closed, with a request in front or without. */
async function talk(port: number, isSecond: boolean): Promise<string> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  socket.write(isSecond ? OK : BAD);
  let octets = "";
  for await (const text of socket.on("error", () => {})) {
    if (isSecond && octets === "") socket.write(BAD);
    octets += text;
  }
  return octets;
}

const HAS_CALLBACK = Number(process.versions.node.split(".")[0]) >= 24;

describe.each(["message", "response", ...(HAS_CALLBACK ? ["upgrade"] : [])])(
  "what throws in the making of the %s",
  (way) => {
    const start = (env = {}) => Program.start("app.mjs", APP, { env: { WAY: way, ...env } });

    it.each([false, true])("is answered at once, behind another request: %s", async (isSecond) => {
      const program = start();
      const [port] = (await program.ports()) as [number];
      const askedAt = performance.now();
      const octets = await talk(port, isSecond);
      expect(octets).toMatch(isSecond ? /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nokHTTP\/1\.1 500 / : /^HTTP\/1\.1 500 /);
      expect(await program.end()).toBe(1);
      expect(performance.now() - askedAt).toBeLessThan(10_000);
      expect(program.lines("incident")).toMatchObject([{ code: "UNCAUGHT", action: "replaced", prevented: 520 }]);
    });

    it("is answered where a listener of the app has the process go on", async () => {
      const program = start({ LISTENS: "yes" });
      const [port] = (await program.ports()) as [number];
      expect(await talk(port, false)).toMatch(/^HTTP\/1\.1 500 /);
    });

    it("is told where nothing is changed", async () => {
      const program = start({ RAYGUARD_OPTIONS: '{"mode":"report"}' });
      const [port] = (await program.ports()) as [number];
      expect(await talk(port, false)).toBe("");
      expect(await program.end()).toBe(1);
      expect(program.lines("incident")).toMatchObject([{ code: "UNCAUGHT", action: "reported", prevented: 520 }]);
    });
  },
);
