import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { Wire } from "../helpers/wire.js";
import { behindEach, fields, HEADERS, RAY } from "./behind.js";

behindEach((app) => {
  describe("an app that answers", () => {
    it("is passed on, with the visitor's address and the Ray ID", async () => {
      const { responses, valid } = await app.send("/ok?q=1");
      expect(valid).toBe(true);
      const seen = JSON.parse(responses[0]?.text() ?? "");
      expect(seen).toMatchObject({ method: "GET", url: "/ok?q=1" });
      expect(seen.headers).toMatchObject({
        "cf-ray": `${RAY}-SJC`,
        "cf-connecting-ip": "203.0.113.7",
        "x-real-ip": "203.0.113.7",
      });
    });

    it("is passed on over TLS", async () => {
      const target = `https://127.0.0.1:${app.ports.https}`;
      const { responses, valid } = await exchange(target, { path: "/ok", headers: HEADERS });
      expect({ status: responses[0]?.status, valid }).toEqual({ status: 200, valid: true });
    });

    it("sees the path as it was sent", async () => {
      const { responses } = await app.send("/ok/a%2Fb//c");
      expect(JSON.parse(responses[0]?.text() ?? "").url).toBe("/ok/a%2Fb//c");
    });

    it("keeps its own 500 and 503, and its 404", async () => {
      for (const status of [500, 503]) {
        const { responses } = await app.send(`/status/${status}`);
        expect(responses[0]?.status).toBe(status);
        expect(responses[0]?.text()).toBe("by the app");
      }
      expect((await app.send("/none")).responses[0]?.status).toBe(404);
    });

    it("takes an upload with Content-Length and a chunked one", async () => {
      const body = "x".repeat(300_000);
      const long = await app.send("/ok", { method: "POST", body });
      expect(JSON.parse(long.responses[0]?.text() ?? "").octets).toBe(300_000);
      const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const chunked = await app.send("/ok", {
        method: "POST",
        body: chunks,
        headers: { "Transfer-Encoding": "chunked" },
      });
      expect(JSON.parse(chunked.responses[0]?.text() ?? "").octets).toBe(300_000);
    });

    it("sees an upload before it is complete", async () => {
      const wire = await Wire.open(app.ports.http);
      const begun = app.origin.told("begun");
      // Apache takes the first 16 KB together.
      wire.sendPart(
        `POST /hang HTTP/1.1\r\nHost: a\r\n${fields(HEADERS)}Content-Length: 100000\r\n\r\n${"x".repeat(40_000)}`,
      );
      await begun;
      wire.finish();
    });
  });

  it("passes a response header section of 100 KB on, and 256 lines", async () => {
    for (const path of ["/headers/102400", "/headers/130500", "/lines/250"]) {
      const { responses, valid } = await app.send(path);
      expect({ path, status: responses[0]?.status, valid }).toEqual({ path, status: 200, valid: true });
    }
  });

  it("passes a request header section of 127 KB on, as one field and as many", async () => {
    const one = await app.send("/ok", { headers: { Cookie: "c".repeat(127_000) } });
    expect(JSON.parse(one.responses[0]?.text() ?? "").headers.cookie).toHaveLength(127_000);
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`X-Many-${at}`, "m".repeat(500)]));
    expect((await app.send("/ok", { headers: many })).responses[0]?.status).toBe(200);
    expect((await app.send(`/ok?${"q".repeat(16_000)}`)).responses[0]?.status).toBe(200);
  });

  it("passes WebSocket on in both directions, and a refusal", async () => {
    const upgrade = `${fields(HEADERS)}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    const socket = connect(app.ports.http, "127.0.0.1");
    socket.setEncoding("latin1");
    socket.write(`GET /socket HTTP/1.1\r\nHost: a\r\n${upgrade}`);
    let text = "";
    socket.on("data", (octets: string) => {
      text += octets;
      if (text.endsWith("\r\n\r\n")) socket.write("ping");
    });
    while (!text.endsWith("ping")) await once(socket, "data");
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    socket.destroy();
    const refused = await exchange({ port: app.ports.http }, `GET /refused HTTP/1.1\r\nHost: a\r\n${upgrade}`);
    expect(refused.responses[0]?.status).toBe(403);
  });

  it("passes server-sent events on as they come", async () => {
    const wire = await Wire.open(app.ports.http);
    wire.send(`GET /sse HTTP/1.1\r\nHost: a\r\n${fields(HEADERS)}\r\n`);
    let text = "";
    wire.socket.on("data", (octets) => {
      text += octets;
    });
    while (!text.includes("first")) await once(wire.socket, "data");
    app.origin.goOn(); // only now the app sends the next
    while (!text.includes("second")) await once(wire.socket, "data");
    app.origin.goOn();
    while (!text.includes("last")) await once(wire.socket, "data");
    expect(await wire.answers(1)).toBe(true);
    expect(wire.finish().responses[0]?.complete).toBe(true);
  });

  it("answers more requests at a time than Apache has threads here", async () => {
    const results = await Promise.all(Array.from({ length: 200 }, () => app.send("/slow/100")));
    expect(new Set(results.map(({ valid }) => valid))).toEqual(new Set([true]));
    const statuses = results.map(({ responses }) => responses[0]?.status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(150);
  });

  // The two passes of a request must not wait for each other's turn: where the first ones have every thread of Apache's,
  // none is left for the second.
  it("gets on where a burst of requests has taken every thread of Apache", { timeout: 60_000 }, async () => {
    const wires = await Promise.all(Array.from({ length: 50 }, () => Wire.open(app.ports.http)));
    for (const wire of wires) wire.sendPart("GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const wire of wires) {
      wire.timeoutMs = 20_000;
      wire.send(`${fields(HEADERS)}\r\n`);
    }
    const answered = await Promise.all(wires.map((wire) => wire.answers(1)));
    const statuses = wires.map((wire) => wire.finish().responses[0]?.status);
    expect(answered).toEqual(wires.map(() => true));
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(25);
  });
});
