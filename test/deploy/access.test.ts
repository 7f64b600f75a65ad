import { once } from "node:events";
import { get } from "node:http";
import { expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { behindEach, HEADERS } from "./behind.js";

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
