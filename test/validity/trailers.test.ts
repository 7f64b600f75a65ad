import { createServer, type RequestListener } from "node:http";
import express from "express";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rayguard } from "../../adapters/express.js";
import { NEVER_IN_TRAILERS } from "../../src/http/fields.js";
import { createGuard } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { sortTrailers } from "../../src/validity/trailers.js";
import { listen } from "../testing/servers.js";

describe("trailer lines that may go out", () => {
  it.each(["X-Sum: 1\r\n", "Server-Timing: db;dur=5\r\nDigest: a=b\r\n", "X-Empty: \r\n", "X-Latin: \xe9\r\n", ""])(
    "keeps %j as it is",
    (rendered) => {
      expect(sortTrailers(rendered)).toEqual({ kept: rendered, dropped: [] });
    },
  );
});

describe("trailer lines that must not follow content (TR-2)", () => {
  it.each([...NEVER_IN_TRAILERS])("drops %s in any case", (name) => {
    for (const written of [name, name.toUpperCase()]) {
      const sorted = sortTrailers(`X-Before: 1\r\n${written}: 1\r\nX-After: 2\r\n`);
      expect(sorted).toEqual({ kept: "X-Before: 1\r\nX-After: 2\r\n", dropped: [name] });
    }
  });
});

describe("trailer lines that break the grammar (TR-4)", () => {
  it.each([
    "no colon",
    "Bad Name: x",
    ": x",
    "X-Nul: a\0b",
    "X-Lf: a\nX-Evil: b",
    "X-Cr: a\rb",
    "X-Wide: \u20ac",
    " X: y",
  ])("drops %j and never repeats it", (line) => {
    const { kept, dropped } = sortTrailers(`X-Sum: 1\r\n${line}\r\n`);
    expect(kept).toBe("X-Sum: 1\r\n");
    expect(dropped).toEqual(["a malformed line"]);
  });

  it("keeps nothing but field lines, whatever is rendered", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom(..."aX-: \t\r\n\0\x7f\xe9=") }), { maxLength: 5 }),
        (lines) => {
          const { kept } = sortTrailers(lines.map((line) => `${line}\r\n`).join(""));
          expect(kept).toMatch(/^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/);
          expect(sortTrailers(kept)).toEqual({ kept, dropped: [] });
        },
      ),
    );
  });
});

describe("trailers of a real response", () => {
  async function ask(listener: RequestListener, version: "1.0" | "1.1" = "1.1") {
    const codes: string[] = [];
    const note = (record: object) => {
      if ("action" in record) codes.push((record as { code?: string }).code ?? "");
    };
    const guard = createGuard({ logger: { info: note, warn: note, error: note } });
    const server = await listen(guard.attach(createServer(listener)));
    return { ...(await exchange(server, { path: "/", version })), codes };
  }

  it("arrive as they were added", async () => {
    const { valid, responses, codes } = await ask((_request, response) => {
      response.setHeader("Trailer", "X-Sum");
      response.write("abc");
      response.addTrailers({ "X-Sum": "6" });
      response.end();
    });
    expect(valid).toBe(true);
    expect(responses[0]?.trailers).toEqual([["X-Sum", "6"]]);
    expect(codes).toEqual([]);
  });

  it("lose the lines that must not be there, and the rest arrives", async () => {
    const { valid, responses, codes } = await ask((_request, response) => {
      response.write("abc");
      response.addTrailers({ "Content-Length": "3", "X-Sum": "6", "Set-Cookie": "a=1" });
      response.end();
    });
    expect(valid).toBe(true);
    expect(responses[0]?.trailers).toEqual([["X-Sum", "6"]]);
    expect(codes).toEqual(["TR-2"]);
  });

  it("lose lines that changed to something malformed after they were added", async () => {
    const { valid, responses } = await ask((_request, response) => {
      response.write("abc");
      response.addTrailers({ "X-Sum": "6" });
      (response as unknown as { _trailer: string })._trailer += "X-Evil: a\0b\r\n";
      response.end();
    });
    expect(valid).toBe(true);
    expect(responses[0]?.trailers).toEqual([["X-Sum", "6"]]);
  });

  it("announced and never added leave a valid response", async () => {
    const { valid, responses } = await ask((_request, response) => {
      response.setHeader("Trailer", "X-Sum");
      response.end("abc");
    });
    expect(valid).toBe(true);
    expect(responses[0]?.text()).toBe("abc");
  });

  it.each(["1.0", "1.1"] as const)("throw where Node does not chunk, as they do on Node (HTTP/%s)", async (version) => {
    let thrown: unknown;
    const { valid, responses, codes } = await ask((_request, response) => {
      response.setHeader("Trailer", "X-Sum");
      if (version === "1.1") response.setHeader("Content-Length", "3");
      try {
        response.write("abc");
      } catch (error) {
        thrown = error;
      }
      response.removeHeader("Trailer");
      response.end("abc");
    }, version);
    expect(thrown).toMatchObject({ code: "ERR_HTTP_TRAILER_INVALID" });
    expect(valid).toBe(true);
    expect(responses[0]?.text()).toBe("abc");
    expect(codes).toEqual([]);
  });

  it("are not announced where Express answers and nobody would catch what Node throws (TR-1)", async () => {
    const app = express();
    app.set("env", "test");
    const codes: string[] = [];
    const note = (record: object) => void codes.push((record as { code?: string }).code ?? "");
    const guard = rayguard({ logger: { info: note, warn: note, error: note } });
    app.use(guard);
    app.get("/", (_request, response, next) => {
      response.set("Trailer", "X-Sum");
      next(Object.assign(new Error("x"), { status: 404 }));
    });
    const { valid, responses } = await exchange(await listen(guard.attach(createServer(app))), { path: "/" });
    expect(valid).toBe(true);
    expect([responses[0]?.status, responses[0]?.field("trailer")]).toEqual([404, undefined]);
    expect(codes).toContain("TR-1");
  });
});
