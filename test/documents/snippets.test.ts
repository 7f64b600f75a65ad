import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { Script } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SUBCOMMANDS } from "../../src/cli/program.js";
import { processTerminal } from "../../src/cli/terminal.js";
import { exchange } from "../../src/testing/index.js";
import { DOCUMENTS, ROOT, type Snippet, snippetsIn, textOf } from "./documents.js";

const by = (snippets: readonly Snippet[]) => snippets.map((snippet) => [snippet.name, snippet] as const);

describe("JavaScript", () => {
  it.each(by(snippetsIn("js")))("%s can be parsed", (_name, { text }) => {
    const body = text
      .replace(/^import .*$/gm, "")
      .replace(/^export default /gm, "(")
      .replace(/^\((.*);$/gm, "($1);");
    const readings = [`(async () => {${body}\n})`, `(${body.trim()})`];
    expect(readings.some((reading) => isCode(reading))).toBe(true);
  });

  it.each(by(snippetsIn("js").filter(({ text }) => text.includes('from "rayguard'))))(
    "%s imports what there is",
    async (_name, { text }) => {
      for (const [, names = "", entry = ""] of text.matchAll(/^import (.*) from "(rayguard[^"]*)";/gm)) {
        const module = (await import(entry)) as Record<string, unknown>;
        const wanted = names.startsWith("{") ? names.slice(1, -1).split(",") : ["default"];
        for (const name of wanted)
          expect(module, `${name} of ${entry}`).toHaveProperty(name.trim().split(" as ")[0] ?? "");
      }
    },
  );
});

function isCode(text: string): boolean {
  try {
    new Script(text);
    return true;
  } catch {
    return false;
  }
}

describe("JSON", () => {
  it.each(by(snippetsIn("json")))("%s can be parsed", (_name, { text }) => {
    JSON.parse(text);
  });
});

describe("the quick starts of the README", () => {
  const ROUTES: Readonly<Record<string, string>> = {
    "rayguard/express": 'app.get("/", (request) => request.socket.destroy());',
    "rayguard/fastify": 'app.get("/", (request) => request.raw.socket.destroy()); await app.listen({ port });',
    rayguard: "",
  };
  const starts = snippetsIn("js").filter(
    ({ document, text }) => document === "README.md" && /^import .* from "(?:express|fastify|node:http)";/.test(text),
  );
  let folder: string;

  // Within the repository, so that the package finds itself by its name.
  beforeAll(async () => {
    folder = await mkdtemp(join(ROOT, "test/documents/.program-"));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it("are three", () => expect(starts).toHaveLength(3));

  it.each(by(starts))("%s is a guarded app", async (_name, { text }) => {
    const port = await freePort();
    const entry = /from "(rayguard[^"]*)"/.exec(text)?.[1] ?? "";
    const program = text
      .replace("// ... your middleware and routes", ROUTES[entry] ?? "")
      .replace("/* ... */", "request.socket.destroy();")
      .replace("3000", "port");
    const file = join(folder, `${entry.replace("/", "-")}.mjs`);
    const route = entry === "rayguard/fastify" ? ROUTES[entry] : "";
    const imports = program.match(/^import .*$/gm) ?? [];
    const rest = program.replace(/^import .*$/gm, "");
    await writeFile(file, `${imports.join("\n")}\nconst port = ${port};\n${rest}\n${route}\n`);
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await expect.poll(() => asked(port)).toBe(500);
    } finally {
      child.kill("SIGKILL");
      await once(child, "close");
    }
  });
});

async function asked(port: number): Promise<number | undefined> {
  const { responses, valid } = await exchange({ port }, { path: "/" });
  return valid ? responses[0]?.status : undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

describe("commands", () => {
  const commands = new Map(
    SUBCOMMANDS.map((make) => make(processTerminal(), () => {})).map((one) => [one.name(), one]),
  );
  const lines = snippetsIn("sh", "").flatMap(({ name, text }) =>
    (text.match(/^\$ .*$/gm)?.map((line) => line.slice(2)) ?? text.split("\n"))
      .map((line) => line.replace(/\s#\s.*$/, ""))
      .flatMap((line) => [...line.matchAll(/(?:^|\| |npx )rayguard ([a-z]+)\b([^|]*)/g)])
      .map(([line, command = "", rest = ""]) => ({ name, line, command, rest })),
  );

  it("are found in the documents", () => expect(lines.length).toBeGreaterThan(20));

  it.each(lines)("$name: $line", ({ command, rest }) => {
    const known = commands.get(command);
    expect(known, command).toBeDefined();
    const own = command === "run" ? rest.split(/\s\S+\.js\b/)[0] : rest;
    const flags = own?.match(/(?<=\s)-{1,2}[a-zA-Z][\w-]*/g) ?? [];
    const options = known?.options.flatMap(({ short, long }) => [short, long]);
    expect(flags.filter((flag) => !options?.includes(flag) && flag !== "--help")).toEqual([]);
  });

  it("stand in the README, each of them", () => {
    const section = /^## Command\n([\s\S]*?)^## /m.exec(textOf("README.md"))?.[1] ?? "";
    expect([...section.matchAll(/^npx rayguard ([a-z]+)/gm)].map(([, command]) => command).sort()).toEqual(
      [...commands.keys()].sort(),
    );
  });

  it("of npm are scripts of the package", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
    for (const { name, text } of snippetsIn("sh")) {
      for (const [, script = ""] of text.matchAll(/npm run ([\w-]+)/g)) expect(scripts, name).toHaveProperty(script);
    }
  });

  it("that build and start and test stand in the README", () => {
    expect(textOf("README.md")).toContain("npm install && npm start\nnpm install && npm test\n");
  });
});

it("the help leads to the documents of the package", async () => {
  const main = join(ROOT, "dist/src/cli/main.js");
  const { stdout } = await promisify(execFile)(process.execPath, [main, "--help"]);
  expect(stdout).toContain("rayguard rule CODE");
  const [, named = ""] = /node_modules\/rayguard\/(\S+\.md)/.exec(stdout) ?? [];
  expect(DOCUMENTS).toContain(named);
});
