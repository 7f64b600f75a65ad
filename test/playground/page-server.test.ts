import { request as httpRequest } from "node:http";
import { exchange } from "rayguard/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUARDED_ABOUT_FORGED } from "../../playground/causes/process.js";
import type { DeathResult, Pulse, RunResult } from "../../playground/page/shared/model.js";
import { Program } from "./program.js";

const ORDER = {
  cause: "empty",
  framework: "node",
  request: { method: "GET", path: "/empty", headers: [], way: "direct", version: "1.1", keptAlive: false },
};

describe("the server of the page", { timeout: 60_000 }, () => {
  let program: Program;
  let url: string;
  let port: number;

  beforeAll(async () => {
    program = await Program.start("--no-workerd");
    url = program.url;
    port = Number(new URL(url).port);
  }, 30_000);

  afterAll(() => (program?.isThere ? program.stop() : undefined));

  it("listens on loopback alone", () => {
    expect(new URL(url).hostname).toBe("127.0.0.1");
  });

  it("refuses another name for its address", async () => {
    const { responses } = await exchange({ port }, { path: "/", headers: { Host: `evil.example:${port}` } });
    expect(responses[0]?.status).toBe(403);
    expect(responses[0]?.text()).toContain(`This page is at http://127.0.0.1:${port}`);
  });

  it.each([null, "http://evil.example", "null"])("takes no order from another page (Origin: %s)", async (origin) => {
    const { status, text } = await post("/api/processes/node/kill", {}, origin);
    expect(status).toBe(403);
    expect(text).toContain("An order must come from the page itself");
  });

  it("admits nothing but its own files", async () => {
    const response = await fetch(url);
    const policy = response.headers.get("Content-Security-Policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const html = await response.text();
    const elsewhere = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to = ""]) => to);
    expect(elsewhere.filter((to) => !/^(?:\.?\/|#)/.test(to))).toEqual([]);
  });

  it("shows content of an origin server where it can do nothing", async () => {
    const { status, json } = await post<RunResult>("/api/runs", ORDER);
    expect(status).toBe(200);
    const response = await fetch(`${url}/content/${json.id}/bare`);
    expect(response.headers.get("Content-Security-Policy")).toMatch(/^sandbox; default-src 'none'/);
    expect(await response.text()).toContain("Error 520");
  });

  it("tells both sides of a run", async () => {
    const { json } = await post<RunResult>("/api/runs", ORDER);
    expect(json.bare.verdict.label).toBe("520");
    expect(json.bare.wire[0]).toMatchObject({ response: [], end: "closed by the origin server" });
    expect(json.guarded.verdict.label).toBe("500 complete");
    expect(json.guarded.incidents[0]).toMatchObject({ code: "MC-2", action: "replaced", prevented: 520 });
    const events = json.guarded.timeline.map(({ event }) => event);
    for (const event of ["received", "incident", "committed", "finished", "answered"]) expect(events).toContain(event);
  });

  it.each([
    ["an unknown cause", { ...ORDER, cause: "nothing" }],
    ["a path with a space", { ...ORDER, request: { ...ORDER.request, path: "/a b" } }],
    ["an address for a path", { ...ORDER, request: { ...ORDER.request, path: "http://127.0.0.1/" } }],
    ["a line break in a field", { ...ORDER, request: { ...ORDER.request, headers: [["X-A", "1\r\nX-B: 2"]] } }],
    ["a Host of its own", { ...ORDER, request: { ...ORDER.request, headers: [["Host", "evil.example"]] } }],
    ["another method", { ...ORDER, request: { ...ORDER.request, method: "CONNECT" } }],
  ])("refuses %s", async (_what, order) => {
    expect((await post("/api/runs", order)).status).toBe(400);
  });

  it("keeps HTTP/1.0 and a field of the form", async () => {
    const request = { ...ORDER.request, path: "/malformed", version: "1.0", headers: [["X-Trace", "one"]] };
    const { json } = await post<RunResult>("/api/runs", { ...ORDER, cause: "malformed", request });
    const lines = json.guarded.wire[0]?.request.map(({ text }) => text);
    expect(lines?.[0]).toBe("GET /malformed HTTP/1.0\\r\\n");
    expect(lines).toContain("X-Trace: one\\r\\n");
  });

  it("marks a client that went around the edge", async () => {
    const headers = [["CF-Connecting-IP", "198.51.100.66"]];
    const request = { ...ORDER.request, path: "/spoofed", headers };
    const { json } = await post<RunResult>("/api/runs", { ...ORDER, cause: "spoofed", request });
    expect(json.bare.verdict.kind).toBe("deceived");
    expect(json.guarded.verdict.kind).toBe("complete");
    const content = await (await fetch(`${url}/content/${json.id}/guarded`)).text();
    expect(JSON.parse(content)).toEqual(GUARDED_ABOUT_FORGED.told);
  });

  it("runs a spoofed client with a HEAD, whose answer has no content to tell anything", async () => {
    const request = {
      ...ORDER.request,
      path: "/spoofed",
      method: "HEAD",
      headers: [["CF-Connecting-IP", "198.51.100.66"]],
    };
    const { status, json } = await post<RunResult>("/api/runs", { ...ORDER, cause: "spoofed", request });
    expect([status, json.guarded.verdict.label]).toEqual([200, "200 complete"]);
  });

  it.skipIf(process.platform === "win32")("tells both sides of a death, and counts what clients got", async () => {
    const { status, json } = await post<DeathResult>("/api/deaths", { death: "killed", framework: "node" });
    expect(status).toBe(200);
    expect([json.bare.asClaimed, json.guarded.asClaimed], JSON.stringify(json.guarded.outcomes)).toEqual([true, true]);
    expect(json.bare.verdict.label).toContain("520, 521");
    expect(json.bare.end?.of).toBe("SIGKILL");
    expect(json.guarded.verdict.label).toBe("503 complete");
    expect(json.guarded.incidents[0]).toMatchObject({ code: "KILLED", action: "replaced", prevented: 520 });
    expect(json.guarded.log.join("\n")).toContain("signal SIGKILL");
    expect(await (await fetch(`${url}/api/runs/${json.id}`)).json()).toEqual(json);
    const seen = json.bare.outcomes.reduce((sum, { count }) => sum + count, 0);
    expect((await pulse()).requests).toBeGreaterThan(seen);
    // It has no page to show.
    expect((await fetch(`${url}/content/${json.id}/bare`)).status).toBe(404);
  });

  it("refuses an unknown death", async () => {
    expect((await post("/api/deaths", { death: "old age", framework: "node" })).status).toBe(400);
  });

  it("leaves no process behind", async () => {
    const { json } = await post<RunResult>("/api/runs", { ...ORDER, framework: "fastify" });
    expect(json.bare.verdict.label).toBe("520");
    await program.stop();
    await expect.poll(() => program.isThere, { timeout: 5_000 }).toBe(false);
  });

  /** The first that the feed says. */
  async function pulse(): Promise<Pulse> {
    const { body } = await fetch(`${url}/api/events`);
    let text = "";
    for await (const octets of body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(octets).toString();
      const [, data] = /event: pulse\ndata: (.*)\n\n/.exec(text) ?? [];
      if (data !== undefined) return JSON.parse(data) as Pulse;
    }
    throw new Error("The feed has ended.");
  }

  /** As a browser posts: fetch() of Node lets nobody choose Origin. */
  function post<T>(path: string, body: unknown, origin: string | null = url) {
    return new Promise<{ status: number; text: string; json: T }>((resolve, reject) => {
      const headers = { "Content-Type": "application/json", ...(origin === null ? {} : { Origin: origin }) };
      const sent = httpRequest(`${url}${path}`, { method: "POST", headers }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, text, json: JSON.parse(text || "null") as T });
      });
      sent.on("error", reject);
      sent.end(JSON.stringify(body));
    });
  }
});
