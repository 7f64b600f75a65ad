#!/usr/bin/env node
import { createRequire } from "node:module";
import { run } from "./program.js";
import { processTerminal } from "./terminal.js";

const { version } = createRequire(import.meta.url)("rayguard/package.json") as { version: string };

// A reader that has seen enough ("| head") is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const code = await run(process.argv.slice(2), processTerminal(), version);

// What has been written may still be on its way into a pipe, and an error of that is thrown first. What else runs in this
// process, such as PM2's listener on its channel, would keep it for ever.
process.stdout.write("", () => process.stderr.write("", () => setImmediate(() => process.exit(code))));
