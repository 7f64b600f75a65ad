import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { HOST } from "../../playground/origins/origin.js";
import { OriginProcess } from "../../playground/process/origin-process.js";

const started: OriginProcess[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((origin) => origin.stop()));
});

describe.skipIf(process.platform === "win32")("an origin server that dies", { timeout: 60_000 }, () => {
  it("comes back at its port, though somebody else has had it meanwhile", async () => {
    const origin = new OriginProcess("node", false);
    started.push(origin);
    await origin.start();
    const { port, pid } = origin;
    const other = createServer();
    origin.once("death", () => other.listen(port, HOST));
    origin.signal("SIGKILL");
    await once(other, "listening");
    // The first process in its place cannot listen, and ends.
    await expect.poll(() => origin.log.last().join("\n"), { timeout: 20_000 }).toContain("did not start");
    other.close();
    await origin.settled();
    expect(origin.port).toBe(port);
    expect(origin.pid).not.toBe(pid);
  });

  it("has a port that the system gives to no connection by itself", async () => {
    const origin = new OriginProcess("node", false);
    started.push(origin);
    await origin.start();
    expect(origin.port).toBeGreaterThanOrEqual(20_000);
    expect(origin.port).toBeLessThan(32_000);
  });
});
