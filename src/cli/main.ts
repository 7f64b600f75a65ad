#!/usr/bin/env node
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { EXIT } from "./exit-codes.js";
import { run } from "./program.js";
import { processTerminal } from "./terminal.js";

const { version } = createRequire(import.meta.url)("rayguard/package.json") as { version: string };

let lost: Error | undefined;
// A reader that has seen enough ("| head") is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") lost ??= error;
});

const ended = await run(process.argv.slice(2), processTerminal(), version);
await setImmediate();
if (lost !== undefined) process.stderr.write(`rayguard: Nothing can be written to stdout: ${lost.message}.\n`);
const code = lost === undefined ? ended : EXIT.FAILED;

// What has been written may still be on its way into a pipe, and an error of that is thrown first. What else runs in this
// process, such as PM2's listener on its channel, would keep it for ever.
process.stdout.write("", () => process.stderr.write("", () => setImmediate().then(() => process.exit(code))));
