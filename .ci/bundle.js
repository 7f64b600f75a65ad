/**
 * Makes the package, from `src/` and `adapters/` into `dist/`: its JavaScript, and its types from what `tsc` has put
 * into `dist/types`. A file for each entry, and few that they share: to find and link one costs Node a third of a
 * millisecond, and what no entry leads to is not for anybody to import.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";

const { bin, exports } = JSON.parse(readFileSync("package.json", "utf8"));
const TYPES = "dist/types";

/** Every file that package.json names: `./dist/src/index.js` is made from `src/index.ts`. */
const named = (files, ending) =>
  files.filter((file) => file?.endsWith(ending)).map((file) => file.slice("./dist/".length, -ending.length));
const published = Object.values(exports);

const external = /^[^./]/;
const bundle = await rolldown({
  input: Object.fromEntries(
    named([...Object.values(bin), ...published.map((entry) => entry.default)], ".js").map((entry) => [entry, `${entry}.ts`]),
  ),
  platform: "node",
  external,
});
const code = await bundle.write({
  dir: "dist",
  format: "esm",
  chunkFileNames: "src/shared/[name].js",
  sourcemap: true,
  comments: { legal: true, annotation: false, jsdoc: false },
});

const types = await rolldown({
  input: Object.fromEntries(
    named(published.map((entry) => entry.types), ".d.ts").map((entry) => [entry, `${TYPES}/${entry}.d.ts`]),
  ),
  external,
  plugins: [dts({ dtsInput: true, tsconfig: false })],
});
const declarations = await types.write({ dir: "dist", format: "esm", chunkFileNames: "src/shared/[name].js" });
rmSync(TYPES, { recursive: true });

/** What an earlier build has left would be in the package, and lead nowhere. */
const made = new Set([...code.output, ...declarations.output].map(({ fileName }) => fileName));
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = `${entry.parentPath}/${entry.name}`;
  if (entry.isFile() && !made.has(file.slice("dist/".length))) rmSync(file);
}
