// Runs a program as a process manager does, and ends it with whoever started this: leash.js <bare|kept> <program>
// bare: whenever the program ends, it is started again at once, which is what PM2 does, and systemd with Restart=always.
// kept: the same program under `rayguard run`, which starts it again by itself.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
/** Time for the keeper to end, with its processes and its ledgers, in milliseconds. */
const GRACE_MS = 5_000;

const [kind, program, ...options] = process.argv.slice(2);
const isKept = kind === "kept";
const args = isKept ? [COMMAND, "run", ...options, program] : [program];
let isEnding = false;
let child = start();

process.on("message", (order) => {
  // A new version is to take over: a bare program is ended, and started again; the keeper replaces its process.
  if (order === "deploy") child.kill(isKept ? "SIGHUP" : "SIGTERM");
});
// No orphan: the channel to the parent closes with the parent, however that ends.
process.on("disconnect", end);
if (!process.connected) end();
// The terminal's, to all that it has started: the parent ends as well.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);

function start() {
  // These die on purpose: without an image of their memory in the working directory. And in a group of their own, so that
  // whatever they have started can be ended with them.
  const limited = ["-c", 'ulimit -c 0; exec "$@"', "sh", process.execPath, ...args];
  const started = spawn("/bin/sh", limited, { stdio: ["ignore", "inherit", "inherit"], detached: true });
  started.on("exit", (code, signal) => {
    if (process.connected) process.send({ pid: started.pid, of: signal ?? `exit code ${code}` });
    if (isEnding) process.exit();
    child = start();
  });
  return started;
}

function end() {
  if (isEnding) return;
  isEnding = true;
  if (!isKept) return child.kill("SIGKILL");
  child.kill("SIGTERM");
  setTimeout(() => process.kill(-child.pid, "SIGKILL"), GRACE_MS);
}
