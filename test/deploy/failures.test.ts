import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { Wire } from "../helpers/wire.js";
import { behindEach, expectFallback, fields, HEADERS, RAY } from "./behind.js";

behindEach((app) => {
  describe.each([
    ["problem", "application/problem+json", /^application\/problem\+json$/],
    ["JSON", "application/json", /^application\/json$/],
    ["HTML", "text/html,application/xhtml+xml", /^text\/html; ?charset=utf-8$/],
    ["text", "*/*", /^text\/plain; ?charset=utf-8$/],
  ])("an app that is down, asked for %s", (_, accept, type) => {
    it("gives a complete 503 with the Ray ID, not to be stored", async () => {
      await app.origin.kill();
      const result = await app.send("/", { headers: { Accept: accept } });
      expectFallback(result);
      expect(result.responses[0]?.field("content-type")).toMatch(type);
      const text = result.responses[0]?.text() ?? "";
      if (accept.includes("json")) {
        expect(JSON.parse(text)).toEqual({
          type: "about:blank",
          title: "Service Unavailable",
          status: 503,
          detail: "The server cannot answer right now. Please try again in a moment.",
          instance: RAY,
          ray_id: RAY,
          retryable: true,
          retry_after: 5,
        });
      }
    });

    it("repeats no forged Ray ID", async () => {
      await app.origin.kill();
      for (const forged of ["<script>alert(1)</script>", `${RAY}-SJC"}`, `${RAY}\t<b>`, `${RAY}0`]) {
        const result = await app.send("/", { headers: { Accept: accept, "CF-RAY": forged } });
        expectFallback(result, "");
        const octets = result.octets.toString("latin1");
        expect(octets).not.toContain("script");
        expect(octets).not.toContain(RAY);
        if (accept.includes("json")) expect(JSON.parse(result.responses[0]?.text() ?? "")).not.toHaveProperty("ray_id");
      }
    });
  });

  it("passes an app on as soon as it is back", async () => {
    await app.origin.kill();
    for (let times = 0; times < 3; times++) expectFallback(await app.send("/ok"));
    await app.origin.run();
    const { responses, valid } = await app.send("/ok");
    expect({ status: responses[0]?.status, valid }).toEqual({ status: 200, valid: true });
  });

  it("answers HEAD and POST in the same way while the app is down", async () => {
    await app.origin.kill();
    const head = await app.send("/", { method: "HEAD" });
    expect({ status: head.responses[0]?.status, valid: head.valid }).toEqual({ status: 503, valid: true });
    expectFallback(await app.send("/", { method: "POST", body: "x".repeat(100_000) }));
  });

  it.each(["bad-name", "empty"])("puts a complete 503 in place of %s", async (raw) => {
    expectFallback(await app.send(`/raw/${raw}`));
    expectFallback(await app.sendSecond(`/raw/${raw}`));
    // What may be sent twice is tried again by some; what may not is answered all the same.
    expectFallback(await app.sendSecond(`/raw/${raw}`, { method: "POST", body: "x" }));
  });

  it("repairs or replaces a field line without colon", async () => {
    const result = await app.send("/raw/no-colon");
    if (result.responses[0]?.status === 503) expectFallback(result);
    else expect({ text: result.responses[0]?.text(), valid: result.valid }).toEqual({ text: "ok", valid: true });
  });

  it("makes nothing of a response with two lengths that was not sent", async () => {
    const result = await app.send("/raw/two-lengths");
    if (result.responses[0]?.status === 503) expectFallback(result);
    else if (result.valid) expect(result.responses[0]?.text()).toBe("ok");
    else expect(result.responses[0]).toMatchObject({ status: 200, complete: false });
  });

  // The guard keeps an app from sending it. In "passed on" the edge sees what it would without a proxy: a 520.
  it(`has octets without a status line ${app.kind.noStatusLine}`, async () => {
    const result = await app.send("/raw/garbage");
    if (app.kind.noStatusLine === "replaced") expectFallback(result);
    else if (app.kind.noStatusLine === "passed on") expect(result.problems[0]?.code).toBe("not-http");
    else expect({ status: result.responses[0]?.status, valid: result.valid }).toEqual({ status: 200, valid: true });
  });

  it.each([502, 504])("puts a complete 503 in place of the app's own %d", async (status) => {
    const result = await app.send(`/status/${status}`);
    expectFallback(result);
    expect(result.octets.toString()).not.toMatch(/lost|by the app/);
  });

  it("answers with a complete 503 when the app does not", async () => {
    const { ms, ...result } = await app.send("/hang");
    expectFallback({ ms, ...result });
    expect(ms).toBeGreaterThan(1_900);
    expectFallback(await app.sendSecond("/hang", { method: "POST", body: "x" }));
  });

  it.each([
    ["GET", app.send],
    ["POST", app.send],
    ["GET as the second request", app.sendSecond],
    ["POST as the second request", app.sendSecond],
  ])("answers with a complete 503 when the app is killed: %s", async (name, how) => {
    const method = name.split(" ")[0] as string;
    const arrival = app.origin.told(how === app.send ? "arrived" : "begun");
    const pending = how("/hang", { method, body: "content" });
    await arrival;
    await app.origin.kill();
    expectFallback(await pending);
    const times = app.origin.arrived.filter((one) => one === `${method} /hang`).length;
    expect(times).toBe(1);
  });

  it("sends no POST twice when the app dies on it", async () => {
    expectFallback(await app.send("/raw/empty", { method: "POST", body: "x" }));
    expectFallback(await app.sendSecond("/raw/empty", { method: "POST", body: "x" }));
    await app.sendSecond("/raw/empty", { method: "PATCH", body: "x" });
    expect(app.origin.arrived.filter((one) => one === "POST /raw/empty")).toHaveLength(2);
    expect(app.origin.arrived.filter((one) => one === "PATCH /raw/empty")).toHaveLength(1);
  });

  it.each(["length", "chunked"])("breaks the connection when the app is killed in mid-response: %s", async (path) => {
    const wire = await Wire.open(app.ports.http);
    wire.send(`GET /${path} HTTP/1.1\r\nHost: a\r\n${fields(HEADERS)}\r\n`);
    await once(wire.socket, "data");
    await app.origin.kill();
    expect(await wire.ended()).toBe(true);
    const { responses, octets } = wire.finish();
    expect(responses[0]).toMatchObject({ status: 200, complete: false });
    expect(octets.toString()).not.toMatch(/0\r\n\r\n$/);
  });

  it("puts a complete 503 in place of a header section that the edge would not take", async () => {
    for (const octets of [131_072, 140_000, 200_000]) expectFallback(await app.send(`/headers/${octets}`));
  });
});
