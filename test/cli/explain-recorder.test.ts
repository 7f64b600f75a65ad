import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { SLOT_OCTETS } from "../../src/recorder/slots.js";
import type { Told } from "../lifecycle/recorded-origin.js";
import { path as base, directory, gone, leave, recorded } from "../lifecycle/recorder-directory.js";
import { rayguard } from "./command.js";

const RAY = recorded.ray as string;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
});

/** A guarded process with a recorder and a request in flight; returns the file of the recorder. */
async function inFlight(url: string): Promise<{ child: ChildProcess; file: string }> {
  const child = fork(join(import.meta.dirname, "../lifecycle/recorded-origin.ts"), [base], {
    execArgv: ["--import", "tsx"],
  });
  children.push(child);
  const told: Told[] = [];
  child.on("message", (message: Told) => told.push(message));
  const until = async (kind: "port" | "seen") => {
    while (!told.some((each) => kind in each)) await once(child, "message");
  };
  await until("port");
  const { port } = told.find((each) => "port" in each) as { port: number };
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`GET ${url} HTTP/1.1\r\nHost: a\r\nCF-RAY: ${RAY}-SJC\r\n\r\n`);
  await until("seen");
  return { child, file: `${base}.${child.pid}` };
}

async function explain(...files: string[]) {
  const { code, out, err } = await rayguard(["explain", RAY, ...files, "--json"]);
  expect(err).toBe("");
  return { code, told: JSON.parse(out) };
}

describe("a process killed with a request in flight", () => {
  it("has it told from the file that it left, which stays as it is", async () => {
    const { child, file } = await inFlight("/wait");
    child.kill("SIGKILL");
    await once(child, "exit");
    const before = readFileSync(file);
    const { mtimeMs } = statSync(file);
    const { told, code } = await explain(file);
    expect(told).toMatchObject({ colo: "SJC", verdict: { shown: "520" } });
    expect(told.arrivals).toMatchObject([
      { recorded: { method: "GET", url: "/wait", pid: child.pid, fate: "gone", status: 0 } },
    ]);
    expect(code).toBe(1);
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    expect(readdirSync(directory)).toHaveLength(1);
    const { out } = await rayguard(["explain", RAY, file]);
    expect(out).toMatch(/GET \/wait arrived at .* and is in flight in process \d+, which is gone\./);
  }, 30_000);

  it("shows a truncated response where one was under way", async () => {
    const { child, file } = await inFlight("/stream");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await explain(file)).toMatchObject({ code: 1, told: { verdict: { shown: "truncated" } } });
  }, 30_000);
});

describe("a process that runs", () => {
  it("has its request told as under way", async () => {
    const { file } = await inFlight("/wait");
    const { told, code } = await explain(file);
    expect(told.verdict).toMatchObject({ shown: "unknown", why: expect.stringContaining("still working on it") });
    expect(code).toBe(1);
  }, 30_000);
});

describe("a file with torn slots", () => {
  it("has the others told, and the torn ones counted", async () => {
    const file = leave("flight.1", gone, [{ ...recorded, ray: "230b030023ae0000" }, recorded], 4);
    file[SLOT_OCTETS + 65] = 0; // in the URL of the first one
    file[3 * SLOT_OCTETS] = 9; // no mark a slot can have
    writeFileSync(`${base}.1`, file);
    const { told } = await explain(`${base}.1`);
    expect(told.arrivals).toMatchObject([{ recorded: { ray: RAY, url: "/orders" } }]);
    expect(told.files).toMatchObject([{ kind: "recorder", lines: 3, skipped: 2 }]);
  });

  it("may be a copy that was cut short", async () => {
    const file = leave("flight.1", gone, [recorded, recorded], 4);
    writeFileSync(`${base}.1`, file.subarray(0, 2 * SLOT_OCTETS + 99));
    expect(await explain(`${base}.1`)).toMatchObject({ code: 1, told: { arrivals: [{ recorded: { ray: RAY } }] } });
  });

  it("is told as damaged where its header is", async () => {
    const file = leave("flight.1", gone, [recorded]);
    file[30] = (file[30] as number) ^ 1;
    writeFileSync(`${base}.1`, file);
    expect(await explain(`${base}.1`)).toMatchObject({
      told: { found: false, files: [{ damaged: "its header is damaged" }] },
    });
  });
});
