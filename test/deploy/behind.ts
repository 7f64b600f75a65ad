import { afterAll, beforeAll, beforeEach, describe, expect } from "vitest";
import { type ExchangeRequest, type ExchangeResult, exchange } from "../../src/testing/index.js";
import { freePorts, type RunningProxy, startProxy } from "../proxies/proxy.js";
import { OriginProcess } from "./origin-process.js";
import { type Shipped, shippedApache, shippedHaproxy, shippedNginx } from "./shipped.js";

export const RAY = "230b030023ae2822";
/** What the edge adds to a request. */
export const HEADERS = { "CF-RAY": `${RAY}-SJC`, "CF-Connecting-IP": "203.0.113.7" };

/** An app behind one of the proxies. */
export class BehindProxy {
  readonly kind: Shipped;
  #proxy: RunningProxy | undefined;
  #origin: OriginProcess | undefined;

  constructor(kind: Shipped) {
    this.kind = kind;
  }

  async start(binary: string): Promise<void> {
    const [originPort] = await freePorts(1);
    this.#origin = new OriginProcess(originPort as number);
    this.#proxy = await startProxy(this.kind, binary, Array(this.kind.listens).fill(originPort));
  }

  async stop(): Promise<void> {
    await this.#origin?.kill();
    await this.#proxy?.stop();
  }

  get origin(): OriginProcess {
    return this.#origin as OriginProcess;
  }

  /** Ports that stand for 80, 443 and 8520. */
  get ports(): { http: number; https: number; health: number } {
    const [http = 0, https = 0, health = 0] = this.#proxy?.ports ?? [];
    return { http, https, health };
  }

  readonly send = (path: string, more: ExchangeRequest = {}): Promise<ExchangeResult> =>
    exchange({ port: this.ports.http }, { path, ...more, headers: { ...HEADERS, ...more.headers } });

  /** As the second request of its connection, where some proxies fall silent. */
  readonly sendSecond = (path: string, more: ExchangeRequest = {}): Promise<ExchangeResult> =>
    exchange({ port: this.ports.http }, [
      { path: "/ok", headers: HEADERS },
      { path, ...more, headers: { ...HEADERS, ...more.headers } },
    ]);
}

/** The same tests behind each proxy that is here. */
export function behindEach(define: (app: BehindProxy) => void): void {
  for (const kind of [shippedNginx, shippedHaproxy, shippedApache]) {
    const binary = kind.find();
    if (binary === undefined) console.warn(`test/deploy: no ${kind.name} here; to have it tested: ${kind.install}`);
    describe.skipIf(binary === undefined)(`behind the shipped ${kind.name}`, { timeout: 40_000 }, () => {
      const app = new BehindProxy(kind);
      beforeAll(() => app.start(binary as string), 30_000);
      beforeEach(() => app.origin.run());
      afterAll(() => app.stop());
      define(app);
    });
  }
}

/** Expects the last response to be the proxy's own 503. */
export function expectFallback({ responses, valid, problems, octets }: ExchangeResult, ray = RAY): void {
  const response = responses.at(-1);
  expect({ status: response?.status, problems, octets: octets.toString("latin1").slice(-1500) }).toMatchObject({
    status: 503,
    problems: [],
  });
  expect(valid).toBe(true);
  expect(response?.field("cache-control")).toBe("no-store");
  expect(response?.field("retry-after")).toBe("5");
  expect(response?.text()).toContain(ray);
}

/** Field lines, for a request written by hand. */
export function fields(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}
