import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { findInPath } from "../proxies/proxy.js";
import { ROOT, snippetsIn, textOf } from "./documents.js";
import { ask, blocks, COMMAND, recipe, skipped } from "./recipe-programs.js";

const PROGRAM = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/fail") request.socket.destroy();
  else if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  else response.end("hello " + process.pid);
}).listen(process.env.PORT, "127.0.0.1");
`;

/** A project with the package in it, and a program. Outside of this one, so that nothing else is found. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rayguard-programs-"));
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  symlinkSync(ROOT, join(folder, "node_modules/rayguard"));
  // As npm does it.
  chmodSync(COMMAND, 0o755);
  symlinkSync(COMMAND, join(folder, "node_modules/.bin/rayguard"));
  for (const name of ["server.js", "server.mjs"]) writeFileSync(join(folder, name), PROGRAM);
  manifest({});
});

afterAll(() => rmSync(folder, { recursive: true }));

function manifest(more: object): void {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true, ...more }));
}

/** Runs a line in a shell, as somebody would, with a port for the program. */
async function started(line: string, env: NodeJS.ProcessEnv = {}) {
  const port = await lastingPort();
  const child = spawn("sh", ["-c", line], {
    cwd: folder,
    // A group of its own, with everything that it starts.
    detached: true,
    stdio: "ignore",
    env: { ...process.env, NODE_ENV: "production", ...env, PORT: String(port) },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    port,
    async end() {
      process.kill(-(child.pid as number), "SIGKILL");
      await ended;
    },
  };
}

const home = (port: number) => expect.poll(() => ask(port, "/"), { timeout: 20_000 });

/** It serves, and its fault is answered for; that of a process that is killed, too, where there is a keeper. */
async function expectGuarded(port: number, isKept: boolean): Promise<void> {
  await home(port).toMatchObject({ status: 200 });
  expect(await ask(port, "/fail")).toMatchObject({ status: 500 });
  if (!isKept) return;
  expect(await ask(port, "/kill")).toMatchObject({ status: 503 });
  await home(port).toMatchObject({ status: 200 });
}

const lines = snippetsIn("sh").flatMap(({ name, text }) =>
  text.split("\n").flatMap((each) => {
    const line = each.replace(/\s+#\s.*$/, "");
    // One with brackets says how to write it.
    return /^(?:npx rayguard run|node) [^[]*$/.test(line) ? [{ name, line }] : [];
  }),
);
/** The same line is run once. */
const different = lines.filter(({ line }, i) => lines.findIndex((other) => other.line === line) === i);

describe.skipIf(process.platform === "win32")("a line that starts a program", { timeout: 60_000 }, () => {
  it("is found in the documents", () => expect(lines.length).toBeGreaterThan(4));

  it.each(different)("$name: $line", async ({ line }) => {
    const { port, end } = await started(line);
    try {
      await expectGuarded(port, line.includes("rayguard run"));
    } finally {
      await end();
    }
  });

  const options = [...textOf("docs/guides/zero-code.md").matchAll(/^\| (\w+) \| `.*NODE_OPTIONS="([^"]+)"` \|$/gm)];

  it.each(options.map(([, where, value]) => ({ where, value })))(
    "of $where is guarded by NODE_OPTIONS",
    async ({ value }) => {
      const { port, end } = await started("node server.js", { NODE_OPTIONS: value });
      try {
        await expectGuarded(port, false);
      } finally {
        await end();
      }
    },
  );

  it("has its options in two places of a table", () => expect(options).toHaveLength(2));

  const [, script = ""] = /^\| `package\.json` \| `(.*)` \|$/m.exec(textOf("docs/guides/zero-code.md")) ?? [];
  const kept = snippetsIn("json").find(({ document }) => document === "docs/guides/keeper.md")?.text ?? "{}";
  const manifests = [
    { page: "zero-code.md", more: { scripts: JSON.parse(`{${script}}`) as object } },
    { page: "keeper.md", more: JSON.parse(kept) as object },
  ];

  it.each(manifests)("in the package.json of $page", async ({ page, more }) => {
    manifest(more);
    const { port, end } = await started("npm start");
    try {
      await expectGuarded(port, page === "keeper.md");
    } finally {
      await end();
      manifest({});
    }
  });

  const whyNoPm2 = skipped(' from "pm2"');

  it.skipIf(whyNoPm2 !== "")(`under PM2, with a keeper${whyNoPm2}`, async () => {
    const [start = "", renew = ""] = snippetsIn("sh")
      .filter(({ document }) => document === "docs/guides/keeper.md")
      .flatMap(({ text }) => text.split("\n"))
      .filter((line) => line.startsWith("pm2 "))
      .map((line) => line.replace(/\s+#\s.*$/, ""));
    const port = await lastingPort();
    const bin = join(ROOT, ".ci/runtimes/node_modules/.bin");
    const pm2 = (line: string) => {
      const PATH = `${bin}${delimiter}${process.env.PATH}`;
      const env = { ...process.env, PATH, PM2_HOME: join(folder, "pm2"), PORT: String(port) };
      return spawnSync("sh", ["-c", line.replace(/^pm2/, "$& --silent")], { cwd: folder, env, stdio: "ignore" }).status;
    };
    try {
      expect(pm2(start)).toBe(0);
      await expectGuarded(port, true);
      const before = await ask(port, "/");
      expect(pm2(renew)).toBe(0);
      await home(port).not.toEqual(before);
      expect(await ask(port, "/")).toMatchObject({ status: 200 });
    } finally {
      pm2("pm2 kill");
    }
  });
});

const systemctl = findInPath("systemctl");
const whyNoSystemctl = systemctl === undefined ? " (skipped: there is no systemctl)" : "";

it.skipIf(whyNoSystemctl !== "")(`systemctl enable takes the unit of the recipes${whyNoSystemctl}`, () => {
  const [unit = ""] = blocks(recipe("systemd"), "ini");
  expect(recipe("systemd").text).toContain("`systemctl enable --now shop`");
  const root = join(folder, "root");
  const units = join(root, "etc/systemd/system");
  mkdirSync(units, { recursive: true });
  writeFileSync(join(units, "shop.service"), unit);
  // Without --now, which needs systemd to be the first process of this machine.
  const ran = spawnSync(systemctl as string, ["enable", `--root=${root}`, "shop"], { encoding: "utf8" });
  expect(ran.stderr).toContain(".wants/shop.service");
  expect(ran.status).toBe(0);
  const enabled = spawnSync(systemctl as string, ["is-enabled", `--root=${root}`, "shop"], { encoding: "utf8" });
  expect(enabled.stdout).toBe("enabled\n");
});
