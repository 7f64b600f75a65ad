/** Makes the JavaScript of the package, from `src/` and `adapters/` into `dist/`; `tsc` makes the types beside it. */
import { readFileSync } from "node:fs";
import { rolldown } from "rolldown";

const { bin, exports } = JSON.parse(readFileSync("package.json", "utf8"));

/** Every file that package.json names: `./dist/src/index.js` is made from `src/index.ts`. */
const entries = [...Object.values(bin), ...Object.values(exports).map((entry) => entry.default)]
  .filter((file) => file?.endsWith(".js"))
  .map((file) => file.replace(/^\.\/dist\/|\.js$/g, ""));

const bundle = await rolldown({
  input: Object.fromEntries(entries.map((entry) => [entry, `${entry}.ts`])),
  platform: "node",
  external: /^[^./]/,
});
// A file for each entry, and few that they share: to find and link one costs Node a third of a millisecond.
await bundle.write({ dir: "dist", format: "esm", chunkFileNames: "src/shared/[name].js", comments: { legal: true, annotation: false, jsdoc: false } });
