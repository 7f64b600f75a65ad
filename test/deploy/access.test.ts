import { once } from "node:events";
import { get } from "node:http";
import { expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { Wire } from "../helpers/wire.js";
import { behindEach, fields, HEADERS } from "./behind.js";

behindEach((app) => {
  it("refuses whoever does not come from the edge, and reports the peer", async () => {
    const direct = get({
      port: app.ports.http,
      host: "127.0.0.1",
      localAddress: "127.0.0.2",
      path: "/direct",
      headers: HEADERS,
    });
    const [response] = await once(direct, "response");
    response.resume();
    expect(response.statusCode).toBe(403);
    expect(app.origin.arrived).toEqual([]);
    await expect.poll(() => lines("/direct")).toHaveLength(1);
    expect(lines("/direct")[0]).toMatchObject({ clientIp: "127.0.0.2", peer: "127.0.0.2", status: 403 });
  });

  it("takes no address that is none for the visitor's", async () => {
    const { responses } = await app.send("/ok", { headers: { "CF-Connecting-IP": "<script>" } });
    expect(JSON.parse(responses[0]?.text() ?? "").headers["x-real-ip"]).toBe("127.0.0.1");
  });

  it("logs one line of JSON for each request, with the Ray ID and whether the app answered", async () => {
    await app.send("/ok?secret=1", { headers: { "CF-RAY": "1111111111111111-AMS" } });
    await app.send("/status/503", { headers: { "CF-RAY": "2222222222222222-AMS" } });
    await app.send("/raw/empty", { headers: { "CF-RAY": "3333333333333333-AMS" } });
    await app.send('/ok"%0a{', { headers: { "CF-RAY": 'x","ray":"4444444444444444' } });
    const rays = ["1111111111111111", "2222222222222222", "3333333333333333"];
    const found = () => rays.map((ray) => lines().find((line) => line.ray === ray));
    await expect.poll(found).not.toContain(undefined);
    expect(found()).toMatchObject([
      {
        colo: "AMS",
        clientIp: "203.0.113.7",
        peer: "127.0.0.1",
        method: "GET",
        path: "/ok",
        status: 200,
        answeredBy: "app",
      },
      { status: 503, answeredBy: "app" },
      { status: 503, answeredBy: "proxy" },
    ]);
    expect(app.kind.accessLog()).not.toMatch(/secret|444444/);
  });

  it("logs the time that the app took, in milliseconds", async () => {
    await app.send("/hang/logged");
    await expect.poll(() => lines("/hang/logged")).toHaveLength(1);
    const ms = lines("/hang/logged")[0]?.ms as number;
    expect(ms).toBeGreaterThanOrEqual(1_900);
    expect(ms).toBeLessThan(8_000);
  });

  it("tells a response that was cut from a complete one", async () => {
    await app.send("/ok/complete");
    const wire = await Wire.open(app.ports.http);
    wire.send(`GET /chunked/cut HTTP/1.1\r\nHost: a\r\n${fields(HEADERS)}\r\n`);
    await once(wire.socket, "data");
    await app.origin.kill();
    expect(await wire.ended()).toBe(true);
    wire.finish();
    const { ends, errorLog } = app.kind.cut;
    await expect.poll(() => ["/ok/complete", "/chunked/cut"].map((path) => lines(path)[0]?.end)).toEqual(ends);
    if (errorLog !== undefined) await expect.poll(() => app.kind.errorLog()).toContain(errorLog);
  });

  it("says that it is alive itself, without the app", async () => {
    await app.origin.kill();
    const { responses, valid } = await exchange({ port: app.ports.health }, { path: "/proxy-health" });
    expect(valid).toBe(true);
    expect(responses[0]?.status).toBeOneOf([200, 204]);
    expect(responses[0]?.field("cache-control")).toBe("no-store");
  });

  /** Lines of the access log; each has to be JSON. */
  function lines(path?: string): Record<string, unknown>[] {
    const all = app.kind
      .accessLog()
      .split("\n")
      .filter((line) => line.startsWith("{"));
    return all.map((line) => JSON.parse(line)).filter((line) => path === undefined || line.path === path);
  }
});
