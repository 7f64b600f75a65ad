import { connect } from "node:net";
import { buildRequest, CONNECTIONS, CONTENT, rayOffset, stampRay } from "./request.js";

/** Open connections to one origin server, ready to carry requests. */
export type Load = {
  /** Sends this many requests in waves, the last one full; gives their number when the last answer is complete. */
  send(requests: number): Promise<number>;
  close(): void;
};

/**
 * Opens the connections of the benchmark.
 *
 * Requests go out in waves, one on each connection, the next wave when every answer of the last is complete: the
 * server finds the same number of requests in each turn of its event loop. Left to itself that number follows the
 * scheduling of the machine, and moves the CPU time of a request by half.
 *
 * It shares the core of the server it measures, so it does little: prebuilt requests, one buffer per connection to
 * receive in, answers told apart by their length. Any answer but a complete 200 is an error: a variant that sheds or
 * fails requests would look cheap.
 */
export async function openLoad(port: number): Promise<Load> {
  const senders = await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => openSender(port, index)));
  let serial = 0;

  function sendWave(): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = senders.length;
      const answered = () => {
        if (--left === 0) resolve();
      };
      for (const sender of senders) sender.send(serial++, answered, reject);
    });
  }

  return {
    async send(requests) {
      let sent = 0;
      for (; sent < requests; sent += senders.length) await sendWave();
      return sent;
    },
    close() {
      for (const sender of senders) sender.close();
    },
  };
}

/** One connection. */
type Sender = {
  send(serial: number, answered: () => void, failed: (error: Error) => void): void;
  close(): void;
};

function openSender(port: number, index: number): Promise<Sender> {
  const request = buildRequest("/", index);
  const ray = rayOffset(request);
  const buffer = Buffer.allocUnsafe(16_384);
  let knownOctets = 0; // the answers of one server are equally long: the first of a length is parsed
  let partial = "";
  let lost: Error | undefined;
  let answered = () => {};
  let failed: (error: Error) => void = () => {};

  function receive(octets: number): boolean {
    if (octets === knownOctets && partial === "" && startsWith200(buffer)) {
      answered();
      return true;
    }
    partial += buffer.toString("latin1", 0, octets);
    const length = answerOctets(partial);
    if (length === undefined || partial.length < length) return true;
    if (partial.length > length || !partial.startsWith("HTTP/1.1 200 ") || !partial.endsWith(CONTENT)) {
      failed(new Error(`not the expected answer: ${partial.slice(0, 600)}`));
      return true;
    }
    knownOctets = octets;
    partial = "";
    answered();
    return true;
  }

  const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer, callback: receive } });
  const sender: Sender = {
    send(serial, onAnswered, onFailed) {
      if (lost !== undefined) return onFailed(lost);
      answered = onAnswered;
      failed = onFailed;
      stampRay(request, ray, serial);
      socket.write(request);
    },
    close() {
      socket.destroy();
    },
  };
  const lose = (error: Error) => {
    lost ??= error;
    failed(error);
  };
  return new Promise((resolve, reject) => {
    failed = reject;
    socket.on("error", lose);
    socket.on("close", () => lose(new Error(`the server on port ${port} closed a connection`)));
    socket.on("connect", () => resolve(sender));
  });
}

function startsWith200(buffer: Buffer): boolean {
  return buffer[9] === 50 && buffer[10] === 48 && buffer[11] === 48;
}

/** Octets the whole answer will have, once its header section is there. */
function answerOctets(answer: string): number | undefined {
  const headEnd = answer.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  return headEnd + 4 + Number(/\r\ncontent-length: (\d+)\r\n/i.exec(answer.slice(0, headEnd + 2))?.[1] ?? 0);
}
