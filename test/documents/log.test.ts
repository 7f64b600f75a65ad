import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { MESSAGES } from "../../src/report/log.js";
import { exchange } from "../../src/testing/index.js";
import { expectMarked } from "../helpers/marked.js";
import { listen } from "../testing/servers.js";
import { ROOT, snippetsIn, textOf } from "./documents.js";

const PAGE = "docs/reference/log.md";

/** Fields of the table under a heading. */
function fieldsUnder(heading: string): string[] {
  const part = textOf(PAGE).split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return part.split("\n").flatMap((line) => {
    const [, names = ""] = /^\| (`\w+`(?:, `\w+`)*) \|/.exec(line) ?? [];
    return names.match(/\w+/g) ?? [];
  });
}

function membersOf(file: string, name: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const body = new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member = ""]) => member);
}

describe(PAGE, () => {
  it("has every field of the line of a request", () => {
    const fields = fieldsUnder("Fields of the line of a request");
    expect(fields.sort()).toEqual(membersOf("src/report/log.ts", "RequestRecord").sort());
    expect(fields.length).toBeGreaterThan(10);
  });

  it("has every field of the line of an incident", () => {
    const shared = ["ray", "colo", "clientIp", "verified", "method", "url"];
    const fields = [...shared, ...fieldsUnder("Fields of the line of an incident")];
    // What the channel calls the message is the reason in the log, where pino has a message of its own.
    const members = membersOf("src/report/incidents.ts", "Incident").map((member) =>
      member === "message" ? "reason" : member,
    );
    expect(fields.sort()).toEqual(members.sort());
  });

  it("shows a line as the guard writes it, and the README the same", async () => {
    const [shown = "", ...others] = snippetsIn("json")
      .filter(({ text }) => text.includes('"msg":"request"'))
      .map(({ text }) => text);
    expect(others).toEqual([shown]);
    let written = "";
    const logger = pino(
      { base: null },
      {
        write: (line: string) => {
          written += line;
        },
      },
    );
    const guard = createGuard({ logger, shutdown: false, trust: "loopback" });
    const server = await listen(guard.attach(createServer((request) => request.socket.destroy())));
    const headers = { "CF-RAY": "230b030023ae2822-SJC", "CF-Connecting-IP": "203.0.113.7" };
    await exchange(server, { path: "/orders?token=secret", headers });
    await expect.poll(() => written).toContain('"msg":"request"');
    guard.close();
    server.close();
    const line = written.split("\n").find((each) => each.includes('"msg":"request"')) ?? "";
    const stable = { time: 0, ms: 0, octets: 0 };
    expect({ ...JSON.parse(line), ...stable }).toEqual({ ...JSON.parse(shown), ...stable });
    expect(Object.keys(JSON.parse(line))).toEqual(Object.keys(JSON.parse(shown)));
  });

  it("has every text that the guard says of itself", () => {
    const { request: _, incident: __, lint: ___, ...own } = MESSAGES;
    expectMarked(
      PAGE,
      "messages",
      Object.values(own)
        .map((text) => `- \`${text}\``)
        .join("\n"),
    );
  });
});
