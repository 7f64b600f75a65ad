import { createServer, type RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { resolveOption } from "../../../src/cli/probe/origin.js";
import { listen } from "../../testing/servers.js";
import { rayguard } from "../command.js";
import { quiet } from "./broken/broken.js";
import { urlOf } from "./run-probe.js";

const QUICK = ["--idle", "0", "--repeat", "1"];
const hello: RequestListener = (_, response) => response.end("hello");

describe("rayguard probe", () => {
  it("ends with 0 for an origin server in order", async () => {
    const server = await listen(quiet(hello));
    const { code, out, err } = await rayguard(["probe", urlOf(server), ...QUICK]);
    expect(out).toMatch(/^ok {2}0 errors, 0 warnings, 1 for information {2}\d+ requests in \d+\.\d s$/m);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).not.toContain("\x1b");
  });

  it("ends with 1 for a warning with --strict only", async () => {
    const url = urlOf(await listen(createServer(hello)));
    expect((await rayguard(["probe", url, ...QUICK])).code).toBe(0);
    const { code, out } = await rayguard(["probe", url, ...QUICK, "--strict"]);
    expect(out).toContain("[keep-alive-short]");
    expect(code).toBe(1);
  });

  it("ends with 1 where nobody listens, and says what Cloudflare makes of it", async () => {
    const server = await listen(createServer(hello));
    const url = urlOf(server);
    await new Promise((resolve) => server.close(resolve));
    const { code, out } = await rayguard(["probe", url, "--json"]);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ version: 1, url, ok: false, counts: { error: 1, warning: 0 } });
    expect(report.findings[0]).toMatchObject({ id: "connection-refused", severity: "error", cloudflare: "521" });
    expect(code).toBe(1);
  });

  it("sends what the edge sends and what is asked for, to the address it is given", async () => {
    const seen: Record<string, unknown>[] = [];
    const server = await listen(
      quiet((request, response) => {
        seen.push(request.headers);
        response.end("hello");
      }),
    );
    const { port } = new URL(urlOf(server));
    const args = [
      "--resolve",
      `origin.example:127.0.0.1:${port}`,
      "-H",
      "Authorization: Bearer x",
      "-H",
      "Accept: text/html",
    ];
    await rayguard(["probe", "http://origin.example/", ...QUICK, ...args]);
    expect(seen[0]).toMatchObject({
      host: "origin.example",
      "cf-ray": expect.stringMatching(/^[0-9a-f]{16}-[A-Z]{3}$/),
      "cf-connecting-ip": "203.0.113.7",
      "x-forwarded-proto": "https",
      "accept-encoding": "br, gzip",
      authorization: "Bearer x",
      accept: "text/html",
    });
  });

  it.each([
    ["a URL without a scheme", ["localhost:3000"]],
    ["a field without a colon", ["http://localhost/", "-H", "nonsense"]],
    ["an address that is none", ["http://localhost/", "--resolve", "localhost:nowhere"]],
    ["no repetition at all", ["http://localhost/", "--repeat", "0"]],
  ])("ends with 2 for %s", async (_, args) => {
    const { code, out, err } = await rayguard(["probe", ...args]);
    expect(err).toMatch(/It must be/);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});

describe("--resolve", () => {
  it.each([
    ["a.example:192.0.2.1", { address: "192.0.2.1" }],
    ["a.example:192.0.2.1:8443", { address: "192.0.2.1", port: 8443 }],
    ["a.example:443:192.0.2.1", { address: "192.0.2.1", port: 443 }],
    ["a.example:2001:db8::1", { address: "2001:db8::1" }],
    ["a.example:[2001:db8::1]:8443", { address: "2001:db8::1", port: 8443 }],
    ["a.example:443:[2001:db8::1]", { address: "2001:db8::1", port: 443 }],
  ])("understands %s", (given, expected) => {
    expect(resolveOption(given)).toEqual([{ host: "a.example", ...expected }]);
  });
});
