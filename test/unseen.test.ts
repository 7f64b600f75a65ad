import { afterEach, expect, it } from "vitest";
import { endPrograms, Program } from "./zero-code/program.js";

afterEach(endPrograms);

/** Counts what Node says of responses, which no client has asked for. */
const APP = `
import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import { createGuard } from "rayguard";
let made = 0;
subscribe("http.server.response.created", () => made++);
createGuard({ logger: false }).attach(createServer());
process.send(made);
`;

it("makes no response that observers of node:http are told of", async () => {
  expect(await Program.start("app.mjs", APP, { flags: [] }).ports()).toEqual([0]);
});
