import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { program } from "./helpers/program.js";

type Calls = [calls: number, name: string][];

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\nCF-RAY: 8f1c2d3e00000000-FRA\r\nCF-Connecting-IP: 203.0.113.1\r\n\r\n";

/** Requests on a connection before those that count: each of the two ways an app is found out is behind them. */
const BEFORE = 20;
const REQUESTS = 50;

const isRecent = Number.parseInt(process.versions.node, 10) >= 24;

/**
 * Most calls of the guard's functions for one small answer in JSON, by what surrounds it; before Node 24, where the same
 * answer is more writes. Whoever saves a call lowers these. With the log on, the record of the request is made, and handed
 * to a logger that does nothing.
 */
const MOST = {
  "express log": isRecent ? 59 : 65,
  "express no log": isRecent ? 51 : 57,
  "fastify log": isRecent ? 60 : 66,
  "fastify no log": isRecent ? 52 : 58,
};

for (const [variant, most] of Object.entries(MOST)) {
  it(`calls at most ${most} functions for a plain answer: ${variant}`, async () => {
    const [framework = "", ...log] = variant.split(" ");
    const calls = await callsOf(framework, log.join(" "));
    const sum = calls.reduce((before, [count]) => before + count, 0);
    const list = calls.sort((a, b) => b[0] - a[0]).map(([count, name]) => `${String(count).padStart(4)} ${name}`);
    const text = [`${variant}: ${sum} calls`, ...list].join("\n");
    if (process.env.RAYGUARD_HOPS) console.log(text);
    // What fails tells them all; RAYGUARD_HOPS=1 does so in any case.
    expect(sum, text).toBeLessThanOrEqual(most);
    expect(sum, "there is no guard, or nothing is counted").toBeGreaterThan(20);
  });
}

/** Calls of the guard's functions for one request of many, on a connection that has been used before. */
async function callsOf(framework: string, log: string): Promise<Calls> {
  const origin = fork(await program(new URL("./hops.ts", import.meta.url)), [framework, log], {
    env: { ...process.env, NODE_ENV: "production", NODE_OPTIONS: "" },
    execArgv: [],
  });
  onTestFinished(() => void origin.kill());
  const [port] = (await once(origin, "message")) as [number];
  const ask = await asking(port);
  await ask(BEFORE);
  await taken(origin);
  await ask(REQUESTS);
  const calls = await taken(origin);
  // What a timer calls now and then is no part of a request.
  return calls
    .map(([count, name]): Calls[number] => [Math.floor(count / REQUESTS), name])
    .filter(([count]) => count > 0);
}

async function taken(origin: ChildProcess): Promise<Calls> {
  origin.send("take");
  const [calls] = (await once(origin, "message")) as [Calls];
  return calls;
}

/** Opens a connection. @returns what sends this many requests on it, each behind the answer to the one before */
async function asking(port: number): Promise<(requests: number) => Promise<void>> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return async (requests) => {
    for (let sent = 0; sent < requests; sent++) {
      socket.write(REQUEST);
      for (let answer = ""; !answer.endsWith("}"); ) answer += (await once(socket, "data"))[0];
    }
  };
}
