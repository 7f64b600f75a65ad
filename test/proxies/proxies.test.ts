import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { Wire } from "../helpers/wire.js";
import { apacheCareful, apachePersistent } from "./apache.js";
import { haproxy } from "./haproxy.js";
import { provoke } from "./judge.js";
import { MISBEHAVIOURS } from "./misbehaviours/index.js";
import { nginxAsItComes, nginxPersistent } from "./nginx.js";
import { KEEP_ALIVE_BUFFER_MS, KEEP_ALIVE_MS, type Origin, startOrigins } from "./origins.js";
import { type ProxyKind, type RunningProxy, startProxy } from "./proxy.js";
import { workerd } from "./workerd.js";

const KINDS = [nginxPersistent, nginxAsItComes, haproxy, apachePersistent, apacheCareful, workerd];

const FRAMEWORKS = ["Express", "Fastify"];
const binaries = new Map(KINDS.map((kind) => [kind, kind.find()]));
const proxies = new Map<ProxyKind, RunningProxy>();
let origins: Origin[] = [];

beforeAll(async () => {
  origins = await startOrigins();
  const ports = origins.map(({ port }) => port);
  const starts = KINDS.map(async (kind) => {
    const binary = binaries.get(kind);
    if (binary !== undefined) proxies.set(kind, await startProxy(kind, binary, ports));
  });
  await Promise.all(starts);
}, 30_000);

afterAll(async () => {
  await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
  await Promise.all(origins.map((origin) => origin.close()));
});

for (const kind of KINDS) {
  const isMissing = binaries.get(kind) === undefined;
  if (isMissing) console.warn(`test/proxies: no ${kind.name} here; to have it tested: ${kind.install}`);

  // The proxies at the same time, the tests behind each in turn: what one leaves behind must not harm the next.
  describe.skipIf(isMissing)(`behind ${kind.name}`, { timeout: 20_000, concurrent: true }, () => {
    for (const framework of FRAMEWORKS) {
      describe.sequential(`a guarded ${framework} origin server`, () => {
        for (const misbehaviour of MISBEHAVIOURS) {
          it(`that ${misbehaviour.name}`, async () => {
            const port = portTo(kind, framework, true);
            const { wrong } = await provoke(kind, port, misbehaviour);
            expect(wrong).toBeUndefined();
            expect(await passes(port, misbehaviour.name)).toBe(true);
          });
        }

        it("that does all of it at once", async () => {
          const port = portTo(kind, framework, true);
          const sights = await Promise.all(MISBEHAVIOURS.map((misbehaviour) => provoke(kind, port, misbehaviour)));
          expect(sights.filter(({ wrong }) => wrong !== undefined)).toEqual([]);
        });
      });

      // What passes above means something only where it fails without the guard.
      describe.sequential(`a bare ${framework} origin server`, () => {
        for (const misbehaviour of MISBEHAVIOURS.filter(({ bare }) => bare)) {
          it(`fails when it ${misbehaviour.name}`, async () => {
            const { status, wrong } = await provoke(kind, portTo(kind, framework, false), misbehaviour);
            if (misbehaviour.bare === "gateway") expect([502, 504, 520, 524]).toContain(status);
            expect(wrong).toBeDefined();
            expect(await passes(portTo(kind, framework, true), "the proxy is still there")).toBe(true);
          });
        }
      });
    }
  });
}

describe.skipIf([...binaries.values()].every((binary) => binary === undefined))(
  "an origin server that is blocked while the proxy reuses an idle connection",
  () => {
    it("answers with the guard, and not without", { timeout: 20_000 }, async () => {
      const guarded = [...proxies.keys()].flatMap((kind) =>
        FRAMEWORKS.map((framework) => portTo(kind, framework, true)),
      );
      // The others open a connection for every request.
      const reusing = KINDS.filter((kind) => kind.reuses && proxies.has(kind));
      const bare = reusing.map((kind) => portTo(kind, "Express", false));
      const statuses = await reuseWhileBlocked([...guarded, ...bare]);
      expect(statuses.slice(0, guarded.length)).toEqual(guarded.map(() => 200));
      expect(statuses.slice(guarded.length)).not.toContain(200);
    });
  },
);

function portTo(kind: ProxyKind, framework: string, guarded: boolean): number {
  const index = origins.findIndex((origin) => origin.framework === framework && origin.guarded === guarded);
  return proxies.get(kind)?.ports[index] as number;
}

/** Whether the next request, over the same connection to the origin server where it is kept, gets its own answer. */
async function passes(port: number, after: string): Promise<boolean> {
  const path = `/ok?after=${encodeURIComponent(after)}`;
  const { responses, valid } = await exchange({ port }, { path });
  return valid && responses[0]?.status === 200 && responses[0].text() === path;
}

/**
 * Sends a request over connections that the proxies have kept, while the origin servers are busy for longer than their
 * keep-alive timeout: Node looks at its timers first, and closes the connections with the requests still unread.
 */
async function reuseWhileBlocked(ports: readonly number[]): Promise<number[]> {
  const wires = await Promise.all(ports.map((port) => Wire.open(port)));
  for (const wire of wires) wire.send("GET /ok HTTP/1.1\r\nHost: origin\r\n\r\n");
  await Promise.all(wires.map((wire) => wire.answers(1)));
  // POST: what may be sent twice is retried by some, whatever they are told.
  for (const wire of wires) wire.send("POST /ok HTTP/1.1\r\nHost: origin\r\nContent-Length: 0\r\n\r\n");
  const end = performance.now() + KEEP_ALIVE_MS + KEEP_ALIVE_BUFFER_MS + 200;
  while (performance.now() < end);
  await Promise.all(wires.map((wire) => wire.answers(2)));
  return wires.map((wire) => wire.finish().responses[1]?.status ?? 0);
}
