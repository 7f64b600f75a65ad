import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findInPath } from "../proxies/proxy.js";
import { DOCUMENTS, snippetsIn, textOf } from "./documents.js";

/** Directives in blocks and in sentences, where one may stand without its semicolon. */
const lines = [
  ...snippetsIn("nginx").map(({ document, text }) => ({ document, line: text })),
  ...DOCUMENTS.flatMap((document) =>
    [...textOf(document).matchAll(/`((?:proxy|real_ip|set_real_ip)_[a-z_]+ [^`\n]+)`/g)].map(([, line = ""]) => ({
      document,
      line,
    })),
  ),
];

const nginx = findInPath("nginx");
const why = nginx === undefined ? " (skipped: there is no nginx)" : "";

describe("nginx lines of the documents", () => {
  it("are found", () => expect(lines.length).toBeGreaterThan(2));

  it.skipIf(why !== "").each(lines)(`$document: $line pass nginx -t${why}`, ({ line }) => {
    const folder = mkdtempSync(join(tmpdir(), "rayguard-nginx-"));
    try {
      const file = join(folder, "nginx.conf");
      writeFileSync(
        file,
        `pid ${folder}/pid;\nevents {}\nhttp {\naccess_log off;\n${line.replace(/;?\s*$/, ";")}\n}\n`,
      );
      const ran = spawnSync(nginx as string, ["-t", "-p", folder, "-c", file, "-e", "stderr"], { encoding: "utf8" });
      expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("test is successful")]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
