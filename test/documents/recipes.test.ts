import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";
import { ROOT, textOf } from "./documents.js";

/** Where `.ci/run` has put packages that only recipes need. */
const EXTRA = join(ROOT, ".ci/runtimes/node_modules");

const PAGE = "docs/guides/recipes.md";

interface Recipe {
  readonly name: string;
  readonly program: string;
  /** What is asked for, and what comes: status and code. */
  readonly path: string;
  readonly status: number;
  readonly code: string;
}

const recipes: Recipe[] = textOf(PAGE)
  .split(/^### /m)
  .slice(1)
  .flatMap((part) => {
    const program = /^```js\n([\s\S]*?)^```$/m.exec(part)?.[1] ?? "";
    const [, path = "", status = "", code = ""] = /`GET ([^`]+)`: (\d{3}), `([\w-]+)`/.exec(part) ?? [];
    return program.startsWith("import")
      ? [{ name: part.split("\n")[0] ?? "", program, path, status: Number(status), code }]
      : [];
  });

let folder: string;

// Inside the project, so that programs find their packages.
beforeAll(() => {
  folder = mkdtempSync(join(import.meta.dirname, ".program-"));
  if (existsSync(EXTRA)) symlinkSync(EXTRA, join(folder, "node_modules"));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Packages that are not here: a recipe for one is run where somebody has installed it. */
function missing(program: string): string[] {
  const from = createRequire(join(import.meta.dirname, "recipes.test.ts"));
  const names = [...program.matchAll(/ from "([^".][^"]*)"/g)].map(([, name = ""]) => name);
  return names.filter((name) => !name.startsWith("node:") && !resolves(from, name));
}

function resolves(from: NodeJS.Require, name: string): boolean {
  const [scope = "", rest = ""] = name.split("/");
  const folderOf = scope.startsWith("@") ? `${scope}/${rest}` : scope;
  const places = [EXTRA, ...(from.resolve.paths(name) ?? [])];
  return folderOf === "rayguard" || places.some((each) => existsSync(join(each, folderOf)));
}

/** Starts a program of the page. @returns the port it listens at, what it logs, and what ends it */
async function start(program: string, args: readonly string[]) {
  const port = await lastingPort();
  const file = join(folder, `server-${port}.mjs`);
  writeFileSync(file, program.replace(/\b3000\b/, String(port)));
  const [command = "", ...rest] = args;
  const child = spawn(command, [...rest, file], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  return {
    port,
    child,
    log: () => log,
    async end() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "close");
    },
  };
}

async function ask(port: number, path: string) {
  const { responses, valid } = await exchange({ port }, { path: path.replace(/[{}]/g, encodeURIComponent) });
  return valid ? { status: responses[0]?.status, text: responses[0]?.text() } : undefined;
}

const isAsIs = (program: string) => program.includes("rayguard");
const bareOf = (program: string) =>
  program
    .split("\n")
    .filter((line) => !line.includes("rayguard"))
    .join("\n");

describe.each(recipes)("$name", { timeout: 60_000 }, ({ program, path, status, code }) => {
  const skip = missing(program).length > 0;
  const home = path.startsWith("/?") ? "/?query={hello}" : "/";

  it.skipIf(skip)("answers, and its fault is answered for", async () => {
    const flags = isAsIs(program) ? [] : ["--import", "rayguard/register"];
    const started = await start(program, [process.execPath, ...flags]);
    try {
      await expect
        .poll(() => ask(started.port, home), { timeout: 20_000 })
        .toMatchObject({
          status: 200,
          text: expect.stringContaining("hello"),
        });
      expect(await ask(started.port, path)).toMatchObject({ status });
      await expect.poll(started.log, { timeout: 5_000 }).toContain(`"code":"${code}"`);
      expect(await ask(started.port, home)).toMatchObject({ status: 200 });
    } finally {
      await started.end();
    }
  });

  it.skipIf(skip)("does not, without the guard", async () => {
    const started = await start(bareOf(program), [process.execPath]);
    try {
      await expect.poll(() => ask(started.port, home), { timeout: 20_000 }).toMatchObject({ status: 200 });
      const answer = await ask(started.port, path);
      // A gateway's own status is complete, and an edge takes its place.
      if (code === "GATEWAY_STATUS") expect([502, 504]).toContain(answer?.status);
      else expect(answer).toBeUndefined();
    } finally {
      await started.end();
    }
  });
});

it("there are recipes for what is said to be run", () => {
  expect(recipes.length).toBeGreaterThanOrEqual(7);
  for (const { name, status } of recipes) expect(status, name).toBeGreaterThanOrEqual(500);
});

/** A process of its own can be the first one of a namespace only with the rights for it. */
const canUnshare = process.platform === "linux" && spawnSync("unshare", ["-pf", "--mount-proc", "true"]).status === 0;

const DYING = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  else response.end("hello " + process.ppid);
}).listen(3000, "127.0.0.1");
`;

describe("the command of the Dockerfile", { timeout: 60_000 }, () => {
  const command = /^CMD (.*)$/m.exec(textOf(PAGE))?.[1] ?? "[]";

  it.skipIf(!canUnshare)(
    "works as the first process, answers for one that is killed, and ends at SIGTERM",
    async () => {
      const [bin, ...args] = JSON.parse(command) as string[];
      expect([bin, args]).toEqual(["node_modules/.bin/rayguard", ["run", "server.mjs"]]);
      const main = join(ROOT, "dist/src/cli/main.js");
      const started = await start(DYING, [
        "unshare",
        "-pf",
        "--kill-child",
        "--mount-proc",
        process.execPath,
        main,
        "run",
      ]);
      try {
        // It is the child of the first process.
        await expect.poll(() => ask(started.port, "/"), { timeout: 20_000 }).toEqual({ status: 200, text: "hello 1" });
        expect(await ask(started.port, "/kill")).toMatchObject({ status: 503 });
        await expect.poll(started.log).toContain('"code":"KILLED"');
        await expect.poll(() => ask(started.port, "/"), { timeout: 20_000 }).toMatchObject({ status: 200 });
      } finally {
        await started.end();
      }
    },
  );
});
