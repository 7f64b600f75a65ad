/** Most frames that are looked at: as many as Node itself shows unless told otherwise. */
const MOST_FRAMES = 10;

const SETTINGS = ["stackTraceLimit", "prepareStackTrace"] as const;

/**
 * The functions that are running, as `name script`, innermost first; the first one is whoever asks. Some questions have
 * no other answer: an app that destroys a socket with the error of its upstream hands over what Node hands over when
 * the client has gone. An app may have turned stack traces off (`Error.stackTraceLimit = 0`) or have them written in
 * its own way (`Error.prepareStackTrace`, as source maps do): neither holds for this one look, and both are as before
 * when it is over.
 */
export function runningFunctions(most = MOST_FRAMES): readonly string[] {
  const before = SETTINGS.map((name) => Object.getOwnPropertyDescriptor(Error, name));
  const holder: { stack?: unknown } = {};
  try {
    set("stackTraceLimit", most);
    set("prepareStackTrace", (_: unknown, sites: NodeJS.CallSite[]) => sites);
    Error.captureStackTrace(holder, runningFunctions);
    const { stack } = holder;
    if (Array.isArray(stack)) return (stack as NodeJS.CallSite[]).map(described);
    // Where `Error` is frozen, the text is what there is.
    return typeof stack === "string" ? stack.split("\n").slice(1) : [];
  } catch {
    return [];
  } finally {
    for (const [i, name] of SETTINGS.entries()) restore(name, before[i]);
  }
}

/** Most frames between a stream and the method of the response that fails: those of the app that it has wrapped. */
const MOST_BETWEEN = 30;

/** Whether it is `pipe()` of a stream that calls a method of a response, and no code that may catch what that throws. */
export function isPiping(): boolean {
  const stream = runningFunctions(MOST_BETWEEN).find((name) =>
    /\bnode:internal\/streams\/|_stream_readable\.js$/.test(name),
  );
  return stream !== undefined && /^on(?:data|end) /.test(stream);
}

function described(site: NodeJS.CallSite): string {
  return `${site.getFunctionName() ?? ""} ${site.getFileName() ?? ""}`;
}

function set(name: string, value: unknown): void {
  Reflect.defineProperty(Error, name, { value, configurable: true, writable: true, enumerable: true });
}

function restore(name: string, before: PropertyDescriptor | undefined): void {
  if (before === undefined) Reflect.deleteProperty(Error, name);
  else Reflect.defineProperty(Error, name, before);
}
