/**
 * `node --import rayguard/register server.js`: guards every server of a program that knows nothing of it.
 * Options: `rayguard.config.{js,mjs,cjs,json}` beside the program or in the working directory, and `RAYGUARD_OPTIONS`.
 */
import { RayguardError } from "./errors.js";
import { beKept } from "./kept/worker.js";
import { type ProgramOptions, readConfiguration } from "./register/configuration.js";
import { guardProgram } from "./register/program-servers.js";
import { shared } from "./shared.js";

export type { ProgramOptions };

/** As of the command `rayguard`: what was given cannot be used. */
const BAD_INPUT = 2;

try {
  // Loaded twice, by --import and by --require, it is there once.
  shared("register", () => {
    guardProgram(readConfiguration(process.argv[1], process.env));
    beKept(process.env); // behind it, so that a server which listens has its guard
    return true;
  });
} catch (error) {
  if (!(error instanceof RayguardError)) throw error;
  process.stderr.write(`rayguard: ${error.code}: ${error.message}\n`);
  process.exit(BAD_INPUT);
}
