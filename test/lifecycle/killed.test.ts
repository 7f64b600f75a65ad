import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Incident } from "../../src/index.js";
import type { Told } from "./recorded-origin.js";

let directory: string;
const children = new Set<ChildProcess>();
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rayguard-killed-"));
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const child of children) await end(child, "SIGKILL");
  sockets.clear();
  children.clear();
  await rm(directory, { recursive: true });
});

/** A guarded origin server in a process of its own, and everything it tells. */
class Origin {
  readonly child: ChildProcess;
  readonly told: Told[] = [];

  constructor() {
    this.child = fork(join(import.meta.dirname, "recorded-origin.ts"), [join(directory, "flight")], {
      execArgv: ["--import", "tsx"],
    });
    children.add(this.child);
    this.child.on("message", (told: Told) => this.told.push(told));
  }

  all<K extends string>(kind: K): Extract<Told, Record<K, unknown>>[K][] {
    return this.told.filter((told) => kind in told).map((told) => (told as never)[kind]);
  }

  async until(kind: string, count = 1): Promise<void> {
    while (this.all(kind).length < count) await once(this.child, "message");
  }

  /** Rays of the incidents of the first search. */
  async named(): Promise<Incident[]> {
    await this.until("searched");
    return this.all("incident");
  }

  async request(path: string, ray: string): Promise<Socket> {
    await this.until("port");
    const socket = connect(this.all("port")[0] as number, "127.0.0.1");
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nCF-RAY: ${ray}-SJC\r\n\r\n`);
    return socket;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

const rayOf = (n: number) => n.toString(16).padStart(16, "0");
const raysOf = (incidents: readonly Incident[]) => incidents.map(({ ray }) => ray).sort();
const waiting = Array.from({ length: 50 }, (_, n) => rayOf(0xabc00 + n));

async function killedWithFiftyWaiting(): Promise<void> {
  const first = new Origin();
  for (let n = 0; n < 5; n++) await once(await first.request("/quick", rayOf(n)), "data");
  await Promise.all(waiting.map((ray) => first.request("/wait", ray)));
  await first.until("seen", waiting.length);
  await end(first.child, "SIGKILL");
}

describe("a process killed with 50 requests waiting", () => {
  it("has exactly those 50 named by the next one, and none by the one after that", async () => {
    await killedWithFiftyWaiting();
    const second = new Origin();
    const incidents = await second.named();
    expect(raysOf(incidents)).toEqual(waiting);
    for (const incident of incidents) {
      expect(incident).toMatchObject({ code: "KILLED", action: "reported", prevented: null, status: 520 });
      expect(incident).toMatchObject({ method: "GET", url: "/wait", colo: "SJC" });
    }
    await end(second.child, "SIGKILL");
    expect(await new Origin().named()).toEqual([]);
    expect(readdirSync(directory)).toHaveLength(1);
  }, 60_000);

  it("has each of them named once where three start at the same time", async () => {
    await killedWithFiftyWaiting();
    const named = await Promise.all([new Origin(), new Origin(), new Origin()].map((origin) => origin.named()));
    expect(raysOf(named.flat())).toEqual(waiting);
  }, 60_000);
});

describe("other ways to die", () => {
  it("with a response under way is named with the status that the client saw", async () => {
    const first = new Origin();
    await first.request("/stream", waiting[0] as string);
    await first.until("seen");
    await end(first.child, "SIGKILL");
    expect(await new Origin().named()).toMatchObject([
      { code: "KILLED", ray: waiting[0], status: 206, message: expect.stringMatching(/cut off\.$/) },
    ]);
  }, 60_000);

  it("by process.exit() in a handler is not named: the request was answered on the way out", async () => {
    const first = new Origin();
    await first.request("/exit", waiting[0] as string);
    await once(first.child, "exit");
    expect(await new Origin().named()).toEqual([]);
  }, 60_000);

  it("with nothing in flight leaves nothing behind", async () => {
    const first = new Origin();
    await once(await first.request("/quick", waiting[0] as string), "data");
    await first.named();
    expect(readdirSync(directory)).toHaveLength(1);
    first.child.disconnect();
    await once(first.child, "exit");
    expect(readdirSync(directory)).toEqual([]);
  }, 60_000);
});
