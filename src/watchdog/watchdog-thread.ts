import type { IncomingMessage, ServerResponse } from "node:http";
import type { Debugger, InspectorNotification } from "node:inspector";
import type { AddressInfo, Socket } from "node:net";
import { setInterval } from "../clock.js";

/** What the thread is started with. */
export interface WatchdogTask {
  /** Two 64-bit numbers the main thread writes: the time of its last beat, and whether somebody is debugging it. */
  readonly shared: SharedArrayBuffer;
  readonly beatMs: number;
  readonly thresholdMs: number;
  /** Where it answers for the loop; `null` where it does not. */
  readonly health: WatchdogHealth | null;
  /** Shortest time between two looks at the stack of the main thread, in milliseconds. */
  readonly sampleEveryMs: number;
  /** After this long a block is written to stderr by the thread itself: the loop may never come back to log it. */
  readonly tellAfterMs: number | null;
}

/** Health checks that the thread answers. */
export interface WatchdogHealth {
  readonly host: string;
  readonly port: number;
  /** Request targets that are answered. */
  readonly paths: readonly string[];
  readonly retryAfterS: number;
}

/** What the thread tells; nothing is posted while the loop beats. */
export type WatchdogMessage =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "unavailable"; readonly code: string | undefined }
  | { readonly type: "block"; readonly blockedMs: number; readonly stack: string | null };

/**
 * Body of the thread. It is handed over as text, which is the same from source, from the package and from a bundle:
 * nothing outside of the function may be used in it, imports included.
 */
export function watchdogThread(): void {
  const builtin = process.getBuiltinModule;
  const { parentPort, workerData } = builtin("node:worker_threads");
  const { writeSync } = builtin("node:fs");
  const task = workerData as WatchdogTask;
  const shared = new BigInt64Array(task.shared);
  const nowMs = () => Number(process.hrtime.bigint() / 1_000_000n);
  /** Time of the last beat; 0 until the loop has turned for the first time. */
  const beatAt = () => Number(Atomics.load(shared, 0) / 1_000_000n);

  let tickedAt = nowMs();
  let awakeSince = 0;
  let sampledAt = Number.NEGATIVE_INFINITY;
  let block: { readonly since: number; stack: string | null; told: boolean; release: () => void } | null = null;

  function blockedMs(now: number): number {
    const silence = now - Math.max(beatAt(), awakeSince);
    return silence > task.thresholdMs ? silence : 0;
  }

  function tick(): void {
    const now = nowMs();
    // This thread stood still, too: the process was stopped or starved of CPU time, and no code of the app is to blame.
    if (now - tickedAt > task.thresholdMs) awakeSince = now;
    tickedAt = now;
    const beat = beatAt();
    if (beat === 0) return;
    if (block !== null && beat > block.since) {
      block.release();
      post({ type: "block", blockedMs: beat - block.since, stack: block.stack });
      block = null;
    } else if (block === null && blockedMs(now) > 0) {
      block = { since: beat, stack: null, told: false, release: () => {} };
      sample(block);
    } else if (block !== null && !block.told && task.tellAfterMs !== null && now - block.since > task.tellAfterMs) {
      block.told = true;
      const { stack, since } = block;
      const line = { level: 50, time: Date.now(), pid: process.pid, code: "BLOCKED", blockedMs: now - since, stack };
      writeSync(2, `${JSON.stringify({ ...line, msg: "the event loop is blocked" })}\n`);
    }
  }

  /** Stops the main thread for a moment to read its stack. In native code it stops once that has returned. */
  function sample(of: { readonly since: number; stack: string | null; release: () => void }): void {
    // Whoever debugs the process would see it stop here, and find it resumed where they had stopped it.
    if (Atomics.load(shared, 1) !== 0n) return;
    // The inspector looks at every script first, which takes up to 0.2 s of the main thread.
    if (nowMs() - sampledAt < task.sampleEveryMs) return;
    sampledAt = nowMs();
    try {
      const { Session } = builtin("node:inspector");
      const session = new Session();
      const urls = new Map<string, string>();
      session.connectToMainThread();
      of.release = () => {
        of.release = () => {};
        session.disconnect();
      };
      session.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
      session.on("Debugger.paused", ({ params }: InspectorNotification<Debugger.PausedEventDataType>) => {
        session.post("Debugger.resume");
        const lines = params.callFrames.map(({ functionName, location: { scriptId, lineNumber, columnNumber } }) => {
          const place = `${urls.get(scriptId) || "<anonymous>"}:${lineNumber + 1}:${(columnNumber ?? 0) + 1}`;
          return `    at ${functionName === "" ? place : `${functionName} (${place})`}`;
        });
        // Back in the loop already: these frames have blocked nothing.
        const isBack = beatAt() > of.since || params.callFrames[0]?.functionName === "rayguardBeat";
        if (lines.length > 0 && !isBack) of.stack = lines.slice(0, 50).join("\n");
        of.release();
      });
      session.post("Debugger.enable");
      session.post("Debugger.pause");
    } catch {
      // A Node without inspector: the duration has to do.
    }
  }

  function post(message: WatchdogMessage): void {
    parentPort?.postMessage(message);
  }

  function serve({ host, port, paths, retryAfterS }: WatchdogHealth): void {
    function answer(request: IncomingMessage, response: ServerResponse): void {
      request.resume();
      const path = (request.url ?? "").split("?", 1)[0] as string;
      if (!paths.includes(path)) send(request, response, 404, { status: "unknown" });
      else if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("Allow", "GET, HEAD");
        send(request, response, 405, { status: "unknown" });
      } else if (beatAt() === 0) send(request, response, 503, { status: "starting" });
      else {
        const ms = blockedMs(nowMs());
        if (ms > 0) send(request, response, 503, { status: "blocked", blockedMs: ms });
        else send(request, response, 200, { status: "healthy", timestamp: new Date().toISOString() });
      }
    }

    function send(request: IncomingMessage, response: ServerResponse, status: number, content: object): void {
      const body = `${JSON.stringify(content)}\n`;
      if (status === 503) response.setHeader("Retry-After", String(retryAfterS));
      response.writeHead(status, {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
        "Cache-Control": "no-store",
        Connection: "close",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    }

    const { createServer } = builtin("node:http");
    const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, answer);
    // Node would close the connection without a word.
    server.on("connect", (_request: IncomingMessage, socket: Socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    server.on("error", (error: NodeJS.ErrnoException) => post({ type: "unavailable", code: error.code }));
    server.on("listening", () => post({ type: "listening", port: (server.address() as AddressInfo).port }));
    server.listen(port, host);
  }

  if (task.health !== null) serve(task.health);
  // Keeps the thread alive where it cannot listen; the thread itself keeps no process alive.
  setInterval(tick, task.beatMs);
}
