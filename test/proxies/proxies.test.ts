import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { Wire } from "../helpers/wire.js";
import { apacheCareful, apachePersistent } from "./apache.js";
import { haproxy } from "./haproxy.js";
import { provoke } from "./judge.js";
import { MISBEHAVIOURS } from "./misbehaviours/index.js";
import { nginxAsItComes, nginxPersistent } from "./nginx.js";
import { type Origin, startOrigins } from "./origins.js";
import { type Proxy, startProxy } from "./proxy.js";
import { workerd } from "./workerd.js";

const KINDS = [nginxPersistent, nginxAsItComes, haproxy, apachePersistent, apacheCareful, workerd];

let origins: Origin[] = [];

beforeAll(async () => {
  origins = await startOrigins();
});

afterAll(async () => {
  await Promise.all(origins.map((origin) => origin.close()));
});

for (const kind of KINDS) {
  const binary = kind.find();
  if (binary === undefined) console.warn(`test/proxies: ${kind.name} is not here; ${kind.install}`);

  describe.skipIf(binary === undefined)(`behind ${kind.name}`, { timeout: 30_000 }, () => {
    let proxy: Proxy;

    beforeAll(async () => {
      const ports = origins.map(({ port }) => port);
      proxy = await startProxy(kind, binary as string, ports);
    }, 30_000);

    afterAll(() => proxy?.stop());

    const portTo = (name: string, guarded: boolean) =>
      proxy.ports[origins.findIndex((origin) => origin.name === name && origin.guarded === guarded)] as number;

    for (const name of ["Express", "Fastify"]) {
      describe(`guarded ${name}`, () => {
        it.each(MISBEHAVIOURS)("that $name", async (misbehaviour) => {
          const port = portTo(name, true);
          const { wrong } = await provoke(port, misbehaviour);
          expect(wrong).toBeUndefined();
          await answersAfter(port, misbehaviour.name);
        });

        it("that does all of it at once", async () => {
          const port = portTo(name, true);
          const sights = await Promise.all(MISBEHAVIOURS.map((misbehaviour) => provoke(port, misbehaviour)));
          const wrong = sights.map((sight, index) => ({ ...sight, name: MISBEHAVIOURS[index]?.name }));
          expect(wrong.filter((sight) => sight.wrong !== undefined)).toEqual([]);
        });

        it("that is blocked while an idle connection is reused", async () => {
          expect(await reuseWhileBlocked(portTo(name, true))).toMatch(/^200 /);
        });
      });

      // So that a pass above means something.
      describe(`bare ${name}`, () => {
        it.each(MISBEHAVIOURS.filter(({ bare }) => bare))("fails when it $name", async (misbehaviour) => {
          const { status, wrong } = await provoke(portTo(name, false), misbehaviour);
          if (process.env.SHOW) console.log(`BARE|${kind.name}|${name}|${misbehaviour.name}|${status}|${wrong?.slice(0, 120)}`);
          expect(wrong).toBeDefined();
        });
        it("fails when it is blocked while an idle connection is reused", async () => {
          const seen = await reuseWhileBlocked(portTo(name, false));
          if (process.env.SHOW) console.log(`BARE|${kind.name}|${name}|reuse|${seen}`);
        });
      });
    }
  });
}

/** The proxy keeps its connection to the origin server: the next answer on it must be the right one. */
async function answersAfter(port: number, name: string): Promise<void> {
  const path = `/ok?after=${encodeURIComponent(name)}`;
  const { responses, valid } = await exchange({ port }, { path });
  expect({ text: responses[0]?.text(), valid }).toEqual({ text: path, valid: true });
}

/**
 * Sends a request over a connection that the proxy has kept, while the origin server is busy for longer than its
 * keep-alive timeout: Node looks at its timers first, and would close the connection with the request still unread.
 */
async function reuseWhileBlocked(port: number): Promise<string> {
  const wire = await Wire.open(port);
  wire.send("GET /ok HTTP/1.1\r\nHost: origin\r\n\r\n");
  await wire.answers(1);
  await sleep(100);
  wire.send("POST /ok HTTP/1.1\r\nHost: origin\r\nContent-Length: 0\r\n\r\n");
  const end = performance.now() + 400;
  while (performance.now() < end);
  await wire.answers(2);
  const [, response] = wire.finish().responses;
  return response === undefined ? "nothing" : `${response.status} ${response.text()}`;
}
