import { parseArgs } from "node:util";

export const HELP = `npm start -- [options]

Provokes every cause of a 520 or 524 against bare and guarded origin servers (Express and Fastify) behind workerd,
Cloudflare's open-source runtime, prints what the edge shows, and leaves the guarded ones listening.

  --once          end after the table; exit code 1 if a guarded row is not a complete response
  --port <port>   port of the edge (default: any free port)
  --no-workerd    ask the origin servers directly with the strict client of rayguard/testing
  --help          show this text
`;

export interface Args {
  readonly once: boolean;
  readonly port: number;
  readonly workerd: boolean;
  readonly help: boolean;
}

/** Reads the command line. @throws {Error} for an unknown option or a port that is none */
export function readArgs(args: string[]): Args {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      once: { type: "boolean", default: false },
      port: { type: "string", default: "0" },
      workerd: { type: "boolean", default: true },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new Error(`--port must be a number from 0 to 65535; got "${values.port}".`);
  }
  return { once: values.once, port, workerd: values.workerd, help: values.help };
}
