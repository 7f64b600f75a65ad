import { parseArgs } from "node:util";

export const HELP = `npm start -- [options]

Provokes every cause of a 520 or 524 against bare and guarded origin servers (Express and Fastify) behind workerd,
Cloudflare's open-source runtime, prints what the edge shows, and leaves the guarded ones listening. A web page on a port of its own shows the
same, octet by octet. Then the process itself dies, in six ways, with a plain supervisor and under rayguard run.

  --once              end after the tables, without the page; exit code 1 if a guarded row is not a complete response,
                      or if rayguard run leaves somebody without an answer
  --port <port>       port of the edge (default: any free port)
  --page-port <port>  port of the page (default: any free port)
  --no-page           show the table alone
  --no-open           do not open the page in a browser
  --no-deaths         leave out what happens when the process itself dies
  --no-workerd        ask the origin servers directly with the strict client of rayguard/testing
  --help              show this text
`;

export interface Args {
  readonly once: boolean;
  readonly port: number;
  readonly pagePort: number;
  readonly page: boolean;
  readonly open: boolean;
  readonly deaths: boolean;
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
      "page-port": { type: "string", default: "0" },
      page: { type: "boolean", default: true },
      open: { type: "boolean", default: true },
      deaths: { type: "boolean", default: true },
      workerd: { type: "boolean", default: true },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { once, open, deaths, workerd, help } = values;
  const port = portOf("--port", values.port);
  const pagePort = portOf("--page-port", values["page-port"]);
  // Whoever wants the table alone has nobody to look at a page.
  return { once, port, pagePort, page: values.page && !once, open, deaths, workerd, help };
}

function portOf(option: string, value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535) {
    throw new Error(`${option} must be a number from 0 to 65535; got "${value}".`);
  }
  return port;
}
