// Holds workerd on a leash: keeper.js <binary> <configuration>. workerd does not notice when the process that started it
// is killed; this one does, for its channel to that process closes, and then takes workerd and its folder with it.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";

const [binary, config] = process.argv.slice(2);
const workerd = spawn(binary, ["serve", config, "--control-fd=3"], { stdio: ["ignore", "ignore", "inherit", "pipe"] });

process.on("disconnect", () => workerd.kill("SIGKILL"));
// It may be gone already, before anybody listened.
if (!process.connected) workerd.kill("SIGKILL");
process.on("SIGTERM", () => workerd.kill("SIGKILL"));
process.on("SIGINT", () => {}); // the terminal's, meant for the parent
// "close" also follows a failure to start; only then is everything gone.
workerd.on("error", (error) => console.error(error.message));
workerd.on("close", () => {
  rmSync(dirname(config), { recursive: true, force: true });
  process.exit();
});

createInterface({ input: workerd.stdio[3] }).on("line", (line) => {
  const { event, port } = JSON.parse(line);
  if (event === "listen" && process.connected) process.send({ port, pid: workerd.pid });
});
