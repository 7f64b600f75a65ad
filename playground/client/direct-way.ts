import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { type ExchangeRequest, exchange, parseResponses } from "rayguard/testing";
import { EDGE_SECRET } from "../edge/secret.js";
import { HOST } from "../origins/origin.js";
import { seenDirectly } from "./seen.js";
import type { Destination, Sighting, Way } from "./way.js";

/** Asks the origin server itself, as strict as an edge can be. */
export class DirectWay implements Way {
  readonly #readTimeoutMs: number;

  constructor(readTimeoutMs: number) {
    this.#readTimeoutMs = readTimeoutMs;
  }

  async ask({ port }: Destination, request: ExchangeRequest): Promise<Sighting> {
    const ray = newRay();
    const headers = { ...request.headers, ...edgeFields(ray) };
    const timeoutMs = this.#readTimeoutMs;
    const { responses, problems, octets, timedOut } = await exchange({ port }, { ...request, headers }, { timeoutMs });
    return { seen: seenDirectly(responses[0], problems, octets, timedOut), ray };
  }

  /** Written by hand, since `exchange` never pauses between two requests on one connection. */
  async askInTurn(
    { port }: Destination,
    requests: readonly [ExchangeRequest, ExchangeRequest],
    pauseMs: number,
  ): Promise<readonly [Sighting, Sighting]> {
    const rays = [newRay(), newRay()] as const;
    const [first, second] = requests.map((request, i) => octetsOf(request, rays[i] as string)) as [string, string];
    const { octets, timedOut } = await converse(port, first, second, pauseMs, this.#readTimeoutMs);
    const methods = requests.map(({ method = "GET" }) => ({ method }));
    const { responses } = parseResponses(octets, { requests: methods, end: timedOut ? "open" : "fin" });
    const sightings = rays.map((ray, i) => {
      const response = responses[i];
      return { seen: seenDirectly(response, response?.problems ?? [], octets, timedOut), ray };
    });
    return sightings as unknown as readonly [Sighting, Sighting];
  }
}

function newRay(): string {
  return randomBytes(8).toString("hex");
}

function edgeFields(ray: string): Record<string, string> {
  return {
    "CF-RAY": `${ray}-AMS`,
    "CF-Connecting-IP": "203.0.113.7",
    "CDN-Loop": "cloudflare; loops=1",
    [EDGE_SECRET.header]: EDGE_SECRET.value,
  };
}

function octetsOf({ method = "GET", path = "/" }: ExchangeRequest, ray: string): string {
  const fields = { Host: HOST, "Content-Length": "0", ...edgeFields(ray) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Writes `first`, waits for an answer and `pauseMs`, writes `second`; ends with the connection or after a silence. */
function converse(port: number, first: string, second: string, pauseMs: number, silenceMs: number) {
  return new Promise<{ octets: Buffer; timedOut: boolean }>((resolve) => {
    const received: Buffer[] = [];
    const socket = connect(port, HOST);
    const finish = (timedOut: boolean): void => {
      socket.destroy();
      resolve({ octets: Buffer.concat(received), timedOut });
    };
    socket.write(first);
    // Both answers are short: each comes in one piece, and the second one ends the conversation.
    socket.once("data", () => {
      setTimeout(() => {
        socket.write(second);
        socket.setTimeout(silenceMs, () => finish(true));
        socket.once("data", () => setTimeout(finish, 30, false));
      }, pauseMs);
    });
    socket.on("data", (octets) => received.push(octets));
    socket.on("error", () => {});
    socket.on("close", () => finish(false));
  });
}
