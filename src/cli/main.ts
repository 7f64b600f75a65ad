#!/usr/bin/env node
import { createRequire } from "node:module";
import { run } from "./program.js";
import { processTerminal } from "./terminal.js";

const { version } = createRequire(import.meta.url)("rayguard/package.json") as { version: string };

// A reader that has seen enough ("| head") is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// Not process.exit(): what has been written may still be on its way into a pipe.
process.exitCode = await run(process.argv.slice(2), processTerminal(), version);
