import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

/** What an app does once all the content that it has announced is out, and only its end is missing. */
const AFTERWARDS: Readonly<Record<string, (out: Out) => void>> = {
  throws() {
    throw new Error("late");
  },
  "writes more": (out) => void out.write("more"),
  "ends with more": (out) => void out.end("more"),
  "does nothing more": () => {},
};

interface Out {
  write(chunk: string): unknown;
  end(chunk?: string): unknown;
}

async function ask(api: "core" | "compat", afterwards: (out: Out) => void, length: number) {
  const incidents: string[] = [];
  const note = ({ code, action }: { code?: string; action?: string }) =>
    void (code && incidents.push(`${code} ${action}`));
  const logger = { info: note, warn: note, error: note };
  const guard = createGuard({ logger, idleDeadlineMs: 200, shutdown: false, trust: "loopback", logBatchMs: 0 });
  const go = async (out: Out) => {
    out.write("hello");
    await wait(60);
    afterwards(out);
  };
  const server = http2.createServer();
  if (api === "core")
    server.on("stream", async (stream: ServerHttp2Stream) => {
      stream.respond({ ":status": 200, "content-length": length });
      await go(stream);
    });
  else
    server.on("request", async (_request, response) => {
      response.writeHead(200, { "content-length": length });
      await go(response as Out);
    });
  guard.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ":path": "/" });
  let content = "";
  let isEnded = false;
  stream
    .on("data", (chunk) => {
      content += chunk;
    })
    .on("end", () => {
      isEnded = true;
    })
    .on("error", () => {});
  await new Promise((resolve) => stream.on("close", resolve));
  const { rstCode } = stream;
  client.destroy();
  server.close();
  guard.close();
  return { content, isEnded, rstCode, incidents: incidents.filter((incident) => !incident.startsWith("LATE_")) };
}

describe.each(["core", "compat"] as const)(
  "a response over HTTP/2, through the API %s, of which only the end is missing",
  (api) => {
    it.each(Object.entries(AFTERWARDS))("is ended where its app %s", async (_what, afterwards) => {
      const { incidents, ...got } = await ask(api, afterwards, 5);
      expect(got).toEqual({ content: "hello", isEnded: true, rstCode: 0 });
      expect(incidents).toEqual([expect.stringMatching(/ repaired$/)]);
    });

    it("is broken off where content is missing as well", async () => {
      const { incidents, ...got } = await ask(api, () => {}, 9);
      expect(got).toMatchObject({ content: "hello", isEnded: false });
      expect(got.rstCode).not.toBe(0);
      expect(incidents).toEqual([expect.stringMatching(/ torn down$/)]);
    });
  },
);
