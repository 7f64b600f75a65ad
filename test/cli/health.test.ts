import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { rayguard } from "./command.js";

let end: () => void = () => {};
afterEach(() => end());

async function origin(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const guard = createGuard({ logger: false });
  guard.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  end = () => {
    guard.close();
    server.closeAllConnections();
    server.close();
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("rayguard health", () => {
  it("ends with 0 for a guarded origin server", async () => {
    const base = await origin((_, response) => response.end());
    const { code, out, err } = await rayguard(["health", `${base}/health`]);
    expect(out).toMatch(new RegExp(`^healthy ${base}/health: 200 in \\d+ ms\n$`));
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });

  it("ends with 1 for another status, with the status as reason", async () => {
    const base = await origin((_, response) => response.writeHead(503).end());
    const { code, out } = await rayguard(["health", base, "--json"]);
    expect(JSON.parse(out)).toMatchObject({ url: `${base}/`, healthy: false, status: 503, reason: "status 503" });
    expect(code).toBe(1);
  });

  it("ends with 1 for an answer that does not come in time", async () => {
    const base = await origin(() => {});
    const { code, out } = await rayguard(["health", base, "--timeout", "0.2"]);
    expect(out).toContain("no complete response within 0.2 s");
    expect(code).toBe(1);
  });

  it("ends with 1 where nobody listens", async () => {
    const base = await origin(() => {});
    end();
    const { code, out } = await rayguard(["health", base]);
    expect(out).toContain("ECONNREFUSED");
    expect(code).toBe(1);
  });

  it.each([
    ["no URL", [], "missing required argument"],
    ["a URL without a scheme", ["localhost:3000"], "It must be a URL such as"],
    ["a time that is none", ["http://localhost/", "--timeout", "soon"], 'got "soon"'],
    ["an unknown option", ["http://localhost/", "--quick"], "unknown option"],
  ])("ends with 2 for %s", async (_, args, says) => {
    const { code, out, err } = await rayguard(["health", ...args]);
    expect(err).toContain(says);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});

describe("rayguard", () => {
  it("shows examples in the help of every subcommand, and no colour without a terminal", async () => {
    const { out, code } = await rayguard(["--help"]);
    expect(code).toBe(0);
    const commands = [...out.matchAll(/^ {2}(\w+) \[options\]/gm)].map((match) => match[1] as string);
    expect(commands).not.toHaveLength(0);
    for (const command of commands) {
      const help = await rayguard([command, "--help"]);
      expect(help.out, command).toContain("Examples:");
      // What a program that is run writes is its own.
      if (command !== "run") expect(help.out, command).toContain("--json");
      expect(help.out, command).not.toContain("\x1b");
      expect(help.code, command).toBe(0);
    }
  });

  it("names the version of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await rayguard(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([[["nonsense"]], [[]]])("ends with 2 for %j", async (args) => {
    const { code, out, err } = await rayguard(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).not.toBe("");
  });
});
