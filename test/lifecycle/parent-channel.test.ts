import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program, WITH_GUARD } from "../zero-code/program.js";

afterEach(endPrograms);

// PM2 has a channel to each process that it starts, and so have those that such a process starts: `pm_id` is inherited.
const START = { env: { pm_id: "0", RAYGUARD_OPTIONS: '{"logger":false}' } };

/** @param then - what it does once it has told its port */
const program = (then: string) => `import http from "node:http";
const server = http.createServer((request, response) => response.end("fine"));
server.listen(0, "127.0.0.1", () => { process.send(server.address().port); ${then} });`;

describe.each([
  ["bare", []],
  ["guarded", WITH_GUARD],
] as const)("a process of PM2, %s", (_, flags) => {
  it("goes on where the channel to its parent ends", async () => {
    const app = Program.start("app.mjs", program("process.disconnect();"), { ...START, flags });
    const [port] = await app.ports();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("fine");
  });

  it("ends where it has nothing more to do", async () => {
    const app = Program.start("app.mjs", program("server.close();"), { ...START, flags });
    await app.ports();
    expect(await app.end()).toBe(0);
  });

  it("is kept by a listener of its own for what its parent says", async () => {
    const listens = "server.close(); process.on('message', () => {});";
    const app = Program.start("app.mjs", program(listens), { ...START, flags });
    await app.ports();
    const after = new Promise((resolve) => setTimeout(resolve, 1_000, "alive"));
    expect(await Promise.race([app.end(), after])).toBe("alive");
  });
});
