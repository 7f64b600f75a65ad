import { Command } from "commander";
import { exchange } from "../../testing/index.js";
import { httpUrl, seconds } from "../arguments.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { Terminal } from "../terminal.js";

/** What a health endpoint answered. */
interface Answer {
  readonly url: string;
  readonly healthy: boolean;
  /** Status code, or null where there was no valid response. */
  readonly status: number | null;
  readonly ms: number;
  /** Why it is not healthy. */
  readonly reason: string | null;
}

/** `rayguard health URL`: one question, answered by the exit code. */
export function healthCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("health")
    .summary("ask a health endpoint; exit code 0 or 1")
    .description(
      "Asks a health endpoint once. It is healthy if a complete, valid response with status 200 comes in time, as for " +
        "Cloudflare's own health checks. A redirect is not followed. The certificate is not verified.",
    )
    .argument("<url>", "address of the endpoint, http: or https:", httpUrl)
    .option("--timeout <seconds>", "longest time for the whole response", seconds, 5)
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  rayguard health http://127.0.0.1:3000/health
  HEALTHCHECK CMD ["npx", "rayguard", "health", "http://127.0.0.1:3000/health"]   (in a Dockerfile)

Exit codes: 0 healthy; 1 not healthy; 2 wrong arguments.`,
    )
    .action(async (url: URL, { timeout, json }: { timeout: number; json?: boolean }) => {
      const answer = await ask(url, timeout * 1_000);
      const { green, red } = terminal.colours;
      const { healthy, status, reason, ms } = answer;
      if (json) terminal.out(JSON.stringify(answer));
      else if (healthy) terminal.out(`${green("healthy")} ${url.href}: ${status} in ${Math.round(ms)} ms`);
      else terminal.out(`${red("unhealthy")} ${url.href}: ${reason}`);
      done(healthy ? EXIT.OK : EXIT.FOUND);
    });
}

async function ask(url: URL, timeoutMs: number): Promise<Answer> {
  const request = { headers: { "User-Agent": "rayguard-health", Connection: "close" } };
  const { responses, valid, problems, error, timedOut, ms } = await exchange(url.href, request, {
    timeoutMs,
    keepOpenMs: 0,
  });
  const status = responses[0]?.status ?? null;
  const healthy = valid && status === 200;
  let reason: string | null = null;
  if (error !== undefined) reason = error.message;
  else if (timedOut) reason = `no complete response within ${timeoutMs / 1_000} s`;
  else if (!valid) reason = problems.map((problem) => problem.message).join("; ");
  else if (!healthy) reason = `status ${status}`;
  return { url: url.href, healthy, status, ms: Math.round(ms * 10) / 10, reason };
}
