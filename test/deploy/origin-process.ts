import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { program } from "../helpers/program.js";

/** An origin server in a process of its own, always on the same port. */
export class OriginProcess {
  readonly port: number;
  /** Requests that have arrived, as method and target. */
  arrived: string[] = [];
  #child: ChildProcess | undefined;

  constructor(port: number) {
    this.port = port;
  }

  /** Makes sure that it runs, and forgets what has arrived. */
  async run(): Promise<void> {
    this.arrived = [];
    if (this.#child !== undefined) return;
    const script = await program(new URL("origin.ts", import.meta.url));
    const child = fork(script, [String(this.port)], { execArgv: [] });
    this.#child = child;
    child.on("message", ({ arrived }: { arrived?: string }) => {
      if (arrived !== undefined) this.arrived.push(arrived);
    });
    process.once("exit", this.#end);
    await this.told("listening");
  }

  /** Resolves with the next message that has the member `name`. */
  told(name: "listening" | "arrived" | "begun"): Promise<void> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const onMessage = (message: Record<string, unknown>) => {
        if (!(name in message)) return;
        child?.off("message", onMessage);
        resolve();
      };
      child?.on("message", onMessage);
      child?.once("exit", () => reject(new Error("the origin server is gone")));
    });
  }

  /** Lets a route go on that waits for it. */
  goOn(): void {
    this.#child?.send("go on");
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    child.kill("SIGKILL");
    await once(child, "exit");
    process.off("exit", this.#end);
  }

  readonly #end = () => void this.#child?.kill("SIGKILL");
}
