import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./documents.js";
import { ask, blocks, programFolder, RECIPES, recipe, skipped, start } from "./recipe-programs.js";

const GUARD = "--import=rayguard/register";

const folder = programFolder();

/** Recipes that are one program each. */
const programs = RECIPES.flatMap((each) => {
  const [javaScript = "", typeScript = ""] = ["js", "ts"].map((language) => blocks(each, language)[0]);
  const program = typeScript || javaScript;
  return program.startsWith("import") ? [{ ...each, program, isTypeScript: typeScript !== "" }] : [];
});

const isAsIs = (program: string) => program.includes("rayguard");
const bareOf = (program: string) =>
  program
    .split("\n")
    .filter((line) => !line.includes("rayguard"))
    .join("\n");

/** Compiles a module of TypeScript to CommonJS, as `nest build` does. */
function compiled(program: string): string {
  const file = join(folder.path, "main.cts");
  writeFileSync(file, program);
  // Nest has a Fastify of its own, as a user of Nest has no other.
  const fromNest = createRequire(createRequire(import.meta.url).resolve("@nestjs/platform-fastify"));
  const compilerOptions = {
    module: "nodenext",
    target: "es2022",
    strict: true,
    skipLibCheck: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    types: ["node"],
    paths: { fastify: [join(dirname(fromNest.resolve("fastify")), "fastify.d.ts")] },
  };
  writeFileSync(join(folder.path, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.cts"] }));
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder.path], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return readFileSync(join(folder.path, "main.cjs"), "utf8");
}

async function startProgram(program: string, isTypeScript: boolean, flags: readonly string[]) {
  const code = isTypeScript ? compiled(program) : program;
  const extension = isTypeScript ? "cjs" : "mjs";
  return start(folder.path, [process.execPath, ...flags, "{program}"], { program: code, extension });
}

/** Asks for what works, for what fails, and once more for what works. */
async function expectAnswers(
  started: Awaited<ReturnType<typeof start>>,
  home: string,
  { path, status, code }: (typeof RECIPES)[number],
): Promise<void> {
  await expect
    .poll(() => ask(started.port, home), { timeout: 30_000 })
    .toMatchObject({ status: 200, text: expect.stringContaining("hello") });
  expect(await ask(started.port, path)).toMatchObject({ status });
  await expect.poll(started.log).toContain(`"code":"${code}"`);
  expect(await ask(started.port, home)).toMatchObject({ status: 200 });
}

describe.each(programs)("$name", { timeout: 60_000 }, (each) => {
  const { program, isTypeScript, path, code } = each;
  const why = skipped(program);
  // A server of procedures has one with that name.
  const home = program.includes("hello:") ? path.replace("fail", "hello") : "/";

  it.skipIf(why !== "")(`answers, and its fault is answered for${why}`, async () => {
    const started = await startProgram(program, isTypeScript, isAsIs(program) ? [] : [GUARD]);
    try {
      await expectAnswers(started, home, each);
    } finally {
      await started.end();
    }
  });

  it.skipIf(why !== "")(`does not, without the guard${why}`, async () => {
    const started = await startProgram(bareOf(program), isTypeScript, []);
    try {
      await expect.poll(() => ask(started.port, home), { timeout: 30_000 }).toMatchObject({ status: 200 });
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
  expect(programs.length).toBeGreaterThanOrEqual(11);
  for (const { name, status } of RECIPES) expect(status, name).toBeGreaterThanOrEqual(500);
});

describe("Next", { timeout: 60_000 }, () => {
  const next = recipe("Next");
  const why = skipped(' from "next"');
  const files = blocks(next, "js").map((code) => [/^\/\/ (\S+)\n/.exec(code)?.[1] ?? "", code] as const);
  const server = files.find(([name]) => name === "server.mjs")?.[1] ?? "";
  const bin = () => join(folder.path, "node_modules/next/dist/bin/next");
  const env = { NEXT_TELEMETRY_DISABLED: "1" };
  let app: string;

  beforeAll(() => {
    if (why !== "") return;
    app = join(folder.path, "next");
    for (const [name, code] of files) {
      mkdirSync(dirname(join(app, name)), { recursive: true });
      writeFileSync(join(app, name), code);
    }
    // Turbopack follows no link to a package.
    execFileSync(process.execPath, [bin(), "build", "--webpack"], {
      cwd: app,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }, 300_000);

  it.skipIf(why !== "")(`start answers, and its fault is answered for${why}`, async () => {
    const [, options = ""] = /^NODE_OPTIONS="([^"]+)" npx next start$/m.exec(next.text) ?? [];
    const commandLine = [process.execPath, bin(), "start", "-p", "{port}"];
    const started = await start(app, commandLine, { env: { ...env, NODE_OPTIONS: options } });
    try {
      await expectAnswers(started, "/", next);
    } finally {
      await started.end();
    }
  });

  it.skipIf(why !== "")(`start does not, without the guard${why}`, async () => {
    const started = await start(app, [process.execPath, bin(), "start", "-p", "{port}"], { env });
    try {
      await expect.poll(() => ask(started.port, "/"), { timeout: 30_000 }).toMatchObject({ status: 200 });
      expect(await ask(started.port, next.path)).toBeUndefined();
    } finally {
      await started.end();
    }
  });

  it.skipIf(why !== "")(`as a server of one's own answers, and its fault is answered for${why}`, async () => {
    const started = await start(app, [process.execPath, "{program}"], { program: server, env });
    try {
      await expectAnswers(started, "/", next);
    } finally {
      await started.end();
    }
  });
});
