import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveTrust } from "../../src/trust/trust-options.js";

const text = await readFile(join(import.meta.dirname, "../../docs/guides/trust.md"), "utf8");
const table = /<!-- settings: .*-->\n([\s\S]*?)<!-- \/settings -->/.exec(text)?.[1] ?? "";
const settings = [...table.matchAll(/^\| .* \| `(.*)` \|$/gm)].map(([, setting]) => setting ?? "").slice(1);

describe("docs/guides/trust.md", () => {
  it("names a setting for every place", () => {
    expect(settings.length).toBeGreaterThan(10);
  });

  it.each(settings)("shows a setting that can be taken: %s", (setting) => {
    const trust: unknown = new Function(`return (${setting});`)();
    expect(resolveTrust(trust)).toMatchObject({ trueClientIp: setting.includes("trueClientIp") });
  });
});
