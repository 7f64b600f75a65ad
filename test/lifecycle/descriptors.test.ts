import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Descriptors } from "../../src/overload/descriptors.js";
import { parseResponses } from "../../src/parser/parse-response.js";
import { MESSAGES } from "../../src/report/log.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/** Loading the origin server takes some itself. */
const LIMIT = 256;

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts an origin server that may have so many descriptors open. */
async function start(limit: number, ...args: string[]) {
  const script = `ulimit -n ${limit}; exec "$0" --import tsx "$@"`;
  const origin = join(import.meta.dirname, "crowded-origin.ts");
  const child = spawn("sh", ["-c", script, process.execPath, origin, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines: { message: string; [name: string]: unknown }[] = [];
  const output = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [first] = (await once(output, "line")) as [string];
  output.on("line", (line) => lines.push(JSON.parse(line)));
  return { port: (JSON.parse(first) as { port: number }).port, lines };
}

/** So many clients at once, each of which keeps its connection. @returns what each of them got, by count */
async function crowd(port: number, clients: number) {
  const sockets = Array.from({ length: clients }, () => connect(port, "127.0.0.1"));
  const fates = await Promise.all(
    sockets.map(async (socket) => {
      let text = "";
      socket.on("error", () => undefined);
      socket.on("connect", () => socket.write(GET));
      await new Promise<void>((resolve) => {
        socket.on("close", () => resolve());
        socket.on("data", (octets: Buffer) => {
          text += octets.toString("latin1");
          if (text.endsWith("done")) resolve();
        });
      });
      const { responses, problems } = parseResponses(Buffer.from(text, "latin1"), { requests: [{ method: "GET" }] });
      return responses.length === 1 && problems.length === 0 ? String(responses[0]?.status) : "no answer";
    }),
  );
  const count: Record<string, number> = {};
  for (const fate of fates) count[fate] = (count[fate] ?? 0) + 1;
  const leave = () => {
    for (const socket of sockets) socket.destroy();
  };
  return { count, leave };
}

describe.runIf(process.platform === "linux")("more clients than file descriptors", () => {
  it("are reset by a bare server", async () => {
    const { port } = await start(LIMIT, "bare");
    const { count } = await crowd(port, 2 * LIMIT);
    expect(count["no answer"]).toBeGreaterThan(LIMIT / 4);
  }, 60_000);

  it("each get a complete answer of a guarded one, which says so with numbers", async () => {
    const { port, lines } = await start(LIMIT, "guarded");
    for (let round = 0; round < 2; round++) {
      const { count, leave } = await crowd(port, 2 * LIMIT);
      expect(Object.keys(count).sort()).toEqual(["200", "503"]);
      expect(count["200"]).toBeGreaterThan(10);
      leave();
      await vi.waitFor(() => expect(lines.filter(({ refused }) => refused !== undefined)).toHaveLength(round + 1), {
        timeout: 6_000,
      });
    }
    expect(lines.filter(({ message }) => message === MESSAGES.descriptors)).toMatchObject([
      { open: expect.any(Number), limit: LIMIT },
    ]);
    const told = lines.filter(({ message }) => message === MESSAGES.refusalsOver);
    expect(told[0]).toMatchObject({ code: "OVERLOAD", refused: { descriptors: expect.any(Number) } });
  }, 60_000);

  it("are Node's affair in report mode, which warns", async () => {
    const { port, lines } = await start(LIMIT, "guarded", JSON.stringify({ mode: "report" }));
    const { count } = await crowd(port, 2 * LIMIT);
    expect(count["no answer"]).toBeGreaterThan(LIMIT / 4);
    expect(lines).toMatchObject([{ limit: LIMIT, message: MESSAGES.descriptors }]);
  }, 60_000);
});

describe("Descriptors", () => {
  it("are short from a sixteenth below the limit on, but for at least 4 and at most 64", () => {
    for (const [limit, reserve] of [
      [64, 4],
      [256, 16],
      [1_024, 64],
      [524_288, 64],
    ] as const) {
      const descriptors = new Descriptors(() => limit);
      expect(descriptors.shortage(limit - reserve - 1)).toBeUndefined();
      expect(descriptors.shortage(limit - reserve)).toEqual({ open: limit - reserve + 1, limit, reserve });
    }
  });

  it("are never short where there are no numbers, or no limit that could be read", () => {
    expect(new Descriptors(() => 64).shortage(-1)).toBeUndefined();
    expect(new Descriptors(() => Number.POSITIVE_INFINITY).shortage(1_000_000)).toBeUndefined();
  });

  it("are counted anew when the limit is raised", () => {
    const limits = [64, 1_024];
    const now = vi.spyOn(performance, "now").mockReturnValue(0);
    const descriptors = new Descriptors(() => limits.shift() ?? 0);
    expect(descriptors.shortage(63)).toBeDefined();
    now.mockReturnValue(1_000);
    expect(descriptors.shortage(63)).toBeUndefined();
    now.mockRestore();
  });
});
