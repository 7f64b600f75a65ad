import { once } from "node:events";
import { createServer } from "node:net";
import { HOST } from "../origins/origin.js";

/** Below what Linux, macOS and Windows give to connections by themselves, above what services are found at. */
const FIRST = 20_000;
const LAST = 32_000;

/** Where this process begins to look. Others that do the same begin elsewhere, so that two rarely want one port. */
const BLOCK = 100;
let next = FIRST + ((process.pid * BLOCK) % (LAST - FIRST));

/**
 * A port that nobody uses now, and that the system gives to nobody by itself: one that a process leaves for a moment is
 * still free for the process in its place, however many connections others open meanwhile.
 */
export async function lastingPort(): Promise<number> {
  for (let tries = LAST - FIRST; ; tries--) {
    const port = next;
    next = port + 1 < LAST ? port + 1 : FIRST;
    const server = createServer().listen(port, HOST);
    try {
      await once(server, "listening");
      await once(server.close(), "close");
      return port;
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}
