import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const { exports: published } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | { types: string }>;
};
const entries = Object.entries(published).flatMap(([name, entry]) =>
  typeof entry === "string"
    ? []
    : [[name === "." ? "index" : name.slice("./".length), join(root, entry.types)] as const],
);

/** What an entry declares, in the order of the alphabet: where a type is written down is nobody's business. */
async function typesOf(file: string): Promise<string> {
  const bundle = await rolldown({
    input: file,
    external: /^[^./]/,
    plugins: [dts({ dtsInput: true, tsconfig: false })],
  });
  const { output } = await bundle.generate({ format: "esm" });
  const text = output[0].code.replace(/\s*\/\*\*[\s\S]*?\*\//g, "").replace(/^\/\/.*\n/gm, "");
  return text
    .split(/^(?=[a-z])/m)
    .map((declaration) => `${declaration.trim()}\n`)
    .sort()
    .join("");
}

describe("the public types", () => {
  // Who changes them on purpose writes them anew (`npm test -- public-types --update`) and names the change in the changelog.
  it.each(entries)("of rayguard/%s are those of the last change that was meant", async (name, file) => {
    await expect(await typesOf(file)).toMatchFileSnapshot(join(import.meta.dirname, "public-types", `${name}.txt`));
  });

  it("lead to every file of types in the package", () => {
    const seen = new Set<string>();
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, path = ""] of readFileSync(file, "utf8").matchAll(/from "(\.{1,2}\/[^"]+)\.js"/g))
        follow(join(file, "..", `${path}.d.ts`));
    };
    for (const [, file] of entries) follow(file);
    const all = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".d.ts"),
    );
    expect(all.sort()).toEqual([...seen].map((file) => relative(join(root, "dist"), file)).sort());
  });
});

describe("the JavaScript of the package", () => {
  const files = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".js"),
  );

  it.each(files)("%s leads to its sources", (file) => {
    const at = join(root, "dist", file);
    const text = readFileSync(at, "utf8");
    const [, map] = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(text) ?? [];
    if (map === undefined) return expect(text).toMatch(/^(?:(?:import|export) [^;]*;\s*)*$/);
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(at, "..", map), "utf8")) as {
      sources: string[];
      sourcesContent: string[];
    };
    expect(sourcesContent).toEqual(sources.map((source) => readFileSync(join(at, "..", source), "utf8")));
  });
});
