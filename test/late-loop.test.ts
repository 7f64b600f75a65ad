import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const guard = createGuard({ logger: false, ...options });
  return { guard, server: await listen(guard.attach(createServer(listener))) };
}

function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** `pipe()` does not pass the failure of its source on. */
function pipeUnwatched(source: Readable, response: ServerResponse): void {
  source.on("error", () => {});
  source.pipe(response);
}

describe("a failure that is due before the hold-back ends, on an event loop that runs late", () => {
  it("is replaced where the event loop was blocked when both came due", async () => {
    const { server, guard } = await serve(async (request, response) => {
      if (request.url === "/before") {
        response.write("its ");
        return void response.end("wait has begun, and so has the timer that serves all");
      }
      await wait(15);
      pipeUnwatched(
        Readable.from(
          (async function* () {
            yield Buffer.alloc(20_000, "x");
            setTimeout(block, 1, 45);
            await wait(5);
            throw new Error("the disk is gone");
          })(),
        ),
        response,
      );
    });
    const { responses, valid } = await exchange(server, [{ path: "/before" }, { path: "/fails" }]);
    expect(responses.map(({ status, complete }) => [status, complete])).toEqual([
      [200, true],
      [500, true],
    ]);
    expect(valid).toBe(true);
    expect(guard.stats().incidents).toEqual({ "MC-9": 1 });
  });

  it("is replaced where it was not read yet", async () => {
    const { server, guard } = await serve((_request, response) => {
      response.write("the first part, ");
      pipeUnwatched(createReadStream("/no/such/file"), response);
      setImmediate(block, 60);
    });
    const { responses, valid } = await exchange(server, { path: "/" });
    expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[500, true]]);
    expect(valid).toBe(true);
    expect(guard.stats().incidents).toEqual({ "MC-9": 1 });
  });
});

describe("an event loop of which every turn takes 150 ms", () => {
  let turning = false;
  const turn = () => {
    block(150);
    if (turning) setImmediate(turn);
  };
  const slowly = () => {
    turning = true;
    setImmediate(turn);
  };

  afterEach(() => {
    turning = false;
  });

  it("does not keep a deadline from coming", async () => {
    const { server, guard } = await serve(slowly, { firstByteDeadlineMs: 200 });
    const { responses } = await exchange(server, { path: "/" }, { timeoutMs: 3_000 });
    expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[503, true]]);
    expect(guard.stats().incidents).toEqual({ "MC-10": 1 });
  });

  it("does not keep content that was held back from going out", async () => {
    const { server } = await serve((_request, response) => {
      response.write("the first part");
      slowly();
    });
    const { octets } = await exchange(server, { path: "/" }, { timeoutMs: 1_500 });
    expect(octets.toString()).toContain("the first part");
  });
});

it("leaves a process that survives an error of an immediate with immediates that run", async () => {
  // Where one is cleared that is next, Node throws in its place, in each turn from then on.
  const text = `
    import { createServer, get } from "node:http";
    import { createGuard } from "rayguard";
    const guard = createGuard({ logger: false, crash: false, shutdown: false });
    const errors = [];
    process.on("uncaughtException", (error) => {
      guard.close();
      if (errors.push(error.message) > 2) tell();
    });
    const tell = () => process.exit(process.stdout.write(JSON.stringify(errors)) ? 0 : 1);
    const server = guard.attach(createServer((request, response) => {
      response.write("held back until a timer runs late, behind one of the app");
      setTimeout(() => setImmediate(() => { throw new Error("of the app"); }), 5);
      for (const until = performance.now() + 60; performance.now() < until; );
      setTimeout(() => response.end(), 50);
    }));
    server.listen(0, "127.0.0.1", () => {
      get({ port: server.address().port }, (response) => response.resume().on("end", tell));
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", text], {
    cwd: path.join(import.meta.dirname, ".."),
    timeout: 15_000,
  });
  expect(JSON.parse(stdout)).toEqual(["of the app"]);
});
