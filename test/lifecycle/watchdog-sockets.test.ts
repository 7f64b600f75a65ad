import { createServer, type ServerResponse } from "node:http";
import net, { type AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { parseResponses } from "../../src/parser/parse-response.js";
import { listen } from "../testing/servers.js";

// Why the watchdog never answers a waiting request itself: a file descriptor is all that a thread could share with the
// main one, and neither what is under way on it nor the right to write to it comes with the number.

const ANSWER = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/** A thread that looks whether a request is answered, waits until it is let go, and answers in its place. */
const THREAD = `
const { workerData: { fd, state, answer } } = require("node:worker_threads");
if (Atomics.load(state, 0) === 0) {
  Atomics.store(state, 1, 1); // it has looked: nobody has answered
  Atomics.notify(state, 1);
  Atomics.wait(state, 2, 0); // any thread can lose its CPU here
  require("node:fs").writeSync(fd, answer);
}
Atomics.store(state, 3, 1);
Atomics.notify(state, 3);
`;

/** Serves one request with `app`, which gets the connection's thread; returns what the client receives. */
async function serve(app: (response: ServerResponse, thread: { looked(): void; answers(): void }) => void) {
  let worker: Worker | undefined;
  const server = createServer((request, response) => {
    const { fd } = (request.socket as never as { _handle: { fd: number } })._handle;
    const state = new Int32Array(new SharedArrayBuffer(16));
    worker = new Worker(THREAD, { eval: true, workerData: { fd, state, answer: ANSWER } });
    // Both block the event loop, as the code would for which the thread steps in.
    app(response, {
      looked: () => void Atomics.wait(state, 1, 0),
      answers() {
        Atomics.store(state, 2, 1);
        Atomics.notify(state, 2);
        Atomics.wait(state, 3, 0);
      },
    });
  });
  await listen(server);
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  socket.on("data", (octets) => {
    text += octets.toString("latin1");
  });
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await expect.poll(() => text, { timeout: 5_000 }).toContain("503 Service");
  await expect.poll(() => text, { timeout: 5_000 }).toContain("mine");
  socket.destroy();
  await worker?.terminate();
  const { responses, problems } = parseResponses(Buffer.from(text, "latin1"), { requests: [{ method: "GET" }] });
  return { texts: responses.map((response) => response.text()), problems, text };
}

describe.skipIf(process.platform === "win32")("a thread that writes to a descriptor of the main one", () => {
  it("doubles the answer when the loop comes back between its look and its write", async () => {
    const { texts, problems, text } = await serve((response, thread) => {
      thread.looked();
      response.end("mine"); // the loop is back, and answers at once
      thread.answers();
    });
    expect(texts).toEqual(["mine"]);
    expect(text.endsWith(ANSWER)).toBe(true);
    expect(problems).not.toEqual([]);
  });

  it("lands inside a response of which a part is out", async () => {
    const { texts } = await serve((response, thread) => {
      response.writeHead(200, { "Content-Length": 20 });
      response.write("half of ");
      setImmediate(() => {
        thread.looked();
        thread.answers();
        response.end("what is mine");
      });
    });
    expect(texts).toEqual(["half of HTTP/1.1 503"]);
  });
});
