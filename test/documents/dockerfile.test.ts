import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { findInPath } from "../proxies/proxy.js";
import { ROOT, textOf } from "./documents.js";
import { ask, blocks, recipe } from "./recipe-programs.js";

const buildah = findInPath("buildah");
const canBuild =
  buildah !== undefined && process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;
const why = canBuild ? "" : " (skipped: it takes buildah, and root that may mount)";

const PROGRAM = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  else response.end("hello");
}).listen(process.env.PORT, "127.0.0.1");
`;

const { text, path, status, code } = recipe("Docker");
const [dockerfile = ""] = blocks(recipe("Docker"), "dockerfile");
const [, base = ""] = /^FROM (\S+)$/m.exec(dockerfile) ?? [];

/** Folders of this machine in place of those of the base image, which comes from a registry that is not here. */
const SYSTEM = ["/usr", "/bin", "/lib", "/lib64"].map((each) => `${each}:${each}:ro`);

describe.skipIf(!canBuild)(`the Dockerfile of the recipes${why}`, { timeout: 120_000 }, () => {
  let folder: string;
  let volumes: string[];

  /** Images as plain folders: nothing is mounted that this process, or whoever removes the folder, could see. */
  function run(command: string, ...args: string[]): string {
    const store = ["--storage-driver", "vfs", "--root", join(folder, "store"), "--runroot", join(folder, "run")];
    const ran = spawnSync(buildah as string, [...store, command, ...args], { encoding: "utf8" });
    expect(ran.status, ran.stderr).toBe(0);
    return ran.stdout.trim();
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rayguard-image-"));
    // The package without a need for its dependencies, which are there, so that npm asks no registry.
    const { name, version, type, bin, exports } = JSON.parse(textOf("package.json")) as Record<string, unknown>;
    mkdirSync(join(folder, "rayguard/node_modules"), { recursive: true });
    cpSync(join(ROOT, "dist"), join(folder, "rayguard/dist"), { recursive: true });
    writeFileSync(join(folder, "rayguard/package.json"), JSON.stringify({ name, version, type, bin, exports }));
    const app = join(folder, "app");
    mkdirSync(app);
    writeFileSync(
      join(app, "package.json"),
      JSON.stringify({ private: true, dependencies: { rayguard: "file:../rayguard" } }),
    );
    const lock = spawnSync("npm", ["install", "--package-lock-only", "--offline"], { cwd: app, encoding: "utf8" });
    expect(lock.status, lock.stderr).toBe(0);
    writeFileSync(join(app, "server.mjs"), PROGRAM);
    writeFileSync(join(app, "Dockerfile"), dockerfile);
    const packages = realpathSync(join(ROOT, "node_modules"));
    const mounts = [...SYSTEM, `${join(folder, "rayguard")}:/rayguard`, `${packages}:/rayguard/node_modules:ro`];
    volumes = ["--isolation", "chroot", ...mounts.flatMap((each) => ["--volume", each])];
    run("commit", run("from", "scratch"), base);
    run("build", ...volumes, "--tag", "shop", app);
  }, 120_000);

  afterAll(() => {
    if (readFileSync("/proc/self/mounts", "utf8").includes(folder))
      throw new Error(`something is mounted in ${folder}`);
    rmSync(folder, { recursive: true });
  });

  it("builds an image that starts the keeper, and stops it with what it hears", () => {
    const { Docker } = JSON.parse(run("inspect", "--type", "image", "shop")) as {
      Docker: { config: { Cmd: string[]; StopSignal: string; WorkingDir: string } };
    };
    expect(Docker.config).toMatchObject({
      Cmd: ["node_modules/.bin/rayguard", "run", "server.mjs"],
      StopSignal: "SIGTERM",
      WorkingDir: "/app",
    });
  });

  it("builds an image whose program answers also when it is killed", async () => {
    const port = await lastingPort();
    const container = run("from", "shop");
    const store = ["--storage-driver", "vfs", "--root", join(folder, "store"), "--runroot", join(folder, "run")];
    const command = ["node_modules/.bin/rayguard", "run", "server.mjs"];
    const args = [...store, "run", ...volumes, "--env", `PORT=${port}`, container, "--", ...command];
    const child = spawn(buildah as string, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
    let log = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      log += chunk;
    });
    try {
      await expect.poll(() => ask(port, "/"), { timeout: 20_000 }).toMatchObject({ status: 200 });
      expect(await ask(port, path)).toMatchObject({ status });
      await expect.poll(() => log).toContain(`"code":"${code}"`);
      await expect.poll(() => ask(port, "/"), { timeout: 20_000 }).toMatchObject({ status: 200 });
    } finally {
      process.kill(-(child.pid as number), "SIGKILL");
      await once(child, "close");
    }
  });
});

const docker = findInPath("docker");

describe.skipIf(docker === undefined)(`flags of docker${docker === undefined ? " (skipped: no docker)" : ""}`, () => {
  const flagsOf = (command: string) => spawnSync(docker as string, [command, "--help"], { encoding: "utf8" }).stdout;

  it("are those of its commands", () => {
    expect(text).toContain("`docker stop -t 30`");
    expect(flagsOf("stop")).toMatch(/^ +-t, /m);
    const page = textOf("docs/guides/keeper.md");
    const flags = [...page.matchAll(/`(--(?:stop-timeout|init))\b/g)].map(([, flag]) => flag);
    expect(new Set(flags)).toEqual(new Set(["--stop-timeout", "--init"]));
    for (const flag of flags) expect(flagsOf("run")).toMatch(new RegExp(`^ +${flag} `, "m"));
  });
});
