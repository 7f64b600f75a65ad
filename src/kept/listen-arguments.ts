/** What `listen()` was asked for. */
export interface ListenArguments {
  /** Path of a Unix socket. */
  readonly path: string | undefined;
  /** 0 for any that is free. */
  readonly port: number;
  /** Undefined for every address. */
  readonly host: string | undefined;
  readonly backlog: number;
  readonly options: Record<string, unknown> | undefined;
}

/** Reads the arguments of `listen()`; undefined where that is not for the keeper, or not in order: Node says so. */
export function readListenArguments(args: readonly unknown[]): ListenArguments | undefined {
  const [first, second, third] = args;
  const options = typeof first === "object" && first !== null ? (first as Record<string, unknown>) : undefined;
  if (options !== undefined && ("fd" in options || "_handle" in options || "handle" in options)) return undefined;
  const backlog = ([options?.backlog, second, third].find((value) => typeof value === "number") as number) ?? 511;
  let port: unknown = options === undefined ? first : options.port;
  const path = options === undefined ? pathIn(first) : port === undefined ? pathIn(options.path) : undefined;
  if (path !== undefined) return { path, port: 0, host: undefined, backlog, options };
  if (options !== undefined && port === undefined && !("port" in options)) return undefined;
  if (port === undefined || port === null || typeof port === "function") port = 0;
  const host = options === undefined ? second : options.host;
  if (host !== undefined && host !== null && typeof host !== "string" && options !== undefined) return undefined;
  const number = Number(port);
  if ((typeof port !== "number" && typeof port !== "string") || !Number.isInteger(number)) return undefined;
  if (number < 0 || number > 65_535) return undefined;
  return {
    path: undefined,
    port: number,
    host: typeof host === "string" && host !== "" ? host : undefined,
    backlog,
    options,
  };
}

function pathIn(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && Number.isNaN(Number(value)) ? value : undefined;
}
