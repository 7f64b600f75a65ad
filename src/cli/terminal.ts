import pc from "picocolors";

export type Colours = ReturnType<typeof pc.createColors>;

/** Where a command writes, and what it may know of its surroundings. */
export interface Terminal {
  /** The result. */
  out(text: string): void;
  /** Everything that is not the result: progress, warnings, errors. */
  err(text: string): void;
  /** Colours of the result; they do nothing unless it goes to a terminal. */
  readonly colours: Colours;
  readonly env: NodeJS.ProcessEnv;
}

/** The terminal of this process. `NO_COLOR` and `FORCE_COLOR` have the last word. */
export function processTerminal(): Terminal {
  const { env, stdout, stderr } = process;
  // picocolors goes by CI as well, whose logs are no terminal.
  const isColoured = (stdout.isTTY === true && !env.NO_COLOR) || (!!env.FORCE_COLOR && env.FORCE_COLOR !== "0");
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    colours: pc.createColors(isColoured && env.TERM !== "dumb"),
    env,
  };
}
