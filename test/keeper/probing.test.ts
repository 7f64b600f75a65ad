import { afterEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

const ask = async (port: number) => (await exchange({ port }, { path: "/" })).responses[0]?.text();

/** Ways of programs to find out whether a port is free: the body of a function that resolves to what it has found. */
const PROBES: Record<string, string> = {
  "a connect": `const socket = net.connect(port, "127.0.0.1");
    const [error] = await Promise.race([once(socket, "connect"), once(socket, "error")]).catch((error) => [error]);
    return [error?.code === "ECONNREFUSED", error?.message];`,
  "a connect by name": `const socket = new net.Socket();
    const over = new Promise((resolve) => socket.on("connect", () => resolve()).on("error", resolve));
    socket.connect({ port, host: "localhost" }, () => {});
    const { code } = (await over) ?? {};
    return [code === "ECONNREFUSED"];`,
  "a plain server": `const server = net.createServer();
    const over = new Promise((resolve) => server.on("error", resolve).listen(port, "127.0.0.1", () => resolve()));
    const { code } = (await over) ?? {};
    const found = [code === undefined, code, server.listening, server.address()];
    await new Promise((resolve) => server.close(resolve));
    return found;`,
  "a plain server at every address": `const server = net.createServer();
    server.listen({ port, exclusive: true });
    const [error] = await once(server, "listening").catch((error) => [error]);
    const found = [error === undefined, error?.code, server.address()?.port];
    if (error === undefined) await new Promise((resolve) => server.close(resolve));
    return found;`,
};

const program = (probe: string) => `import { once } from "node:events";
import http from "node:http";
import net from "node:net";
async function look(port) { ${probe} }
const wanted = Number(process.argv[2]);
const found = await look(wanted);
const port = found[0] ? wanted : 0;
const server = http.createServer((request, response) => response.end(JSON.stringify([process.pid, ...found])));
server.listen(port, "127.0.0.1", () => process.send(server.address().port));`;

describe("a program that looks whether its port is free, and takes another one where it is not,", () => {
  it.each(Object.entries(PROBES))("gets the same one again, by %s", { timeout: 60_000 }, async (_, probe) => {
    const wanted = await lastingPort();
    const start = { keeper: [], args: [String(wanted)] };
    const kept = Program.start("app.mjs", program(probe), start);
    expect(await kept.ports()).toEqual([wanted]);
    const [first, ...found] = JSON.parse((await ask(wanted)) ?? "");
    process.kill(first, "SIGKILL");
    const [second, ...again] = JSON.parse((await ask(wanted)) ?? "");
    expect(second).not.toBe(first);
    expect(again).toEqual(found);
    // Another program is told the truth.
    const other = Program.start("app.mjs", program(probe), start);
    expect(await other.ports()).not.toEqual([wanted]);
  });
});
