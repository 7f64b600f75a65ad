import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** Programs of their own, where nobody's process is at stake, and a thread of its own. */
const OWN_PROGRAMS =
  /^src\/(?:cli|testing)\/|^src\/watchdog\/watchdog-thread\.ts$|^src\/cloudflare\/(?:analytics|refresh)/;

const SCHEDULES = new Set(["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "nextTick"]);
const LISTENS = new Set(["on", "once", "addListener", "prependListener", "prependOnceListener", "onceClosed"]);

/** Callbacks that need no containment, each with the reason. */
const TELLS_APP = "tells the app what Node would have told it: its listeners throw as they would there";
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/http1/exchange/departure.ts nextTick": TELLS_APP,
  "src/http1/exchange/departure.ts setImmediate": TELLS_APP,
  "src/http1/exchange/guarded-exchange.ts onceClosed": TELLS_APP,
  "src/http1/methods/guarded-methods.ts nextTick": TELLS_APP,
  "src/http1/server/idle-timeout.ts setImmediate": TELLS_APP,
  "src/http1/server/rejections.ts nextTick":
    "calls the app's handler for rejections, and catches what the app is not to see",
  "src/http1/connection/socket-close.ts once": "stands for its callers, of which each is looked at",
  "src/http1/connection/socket-close.ts prependOnceListener": "stands for its callers, of which each is looked at",
  "src/http1/connection/socket-error.ts nextTick": TELLS_APP,
  "src/http1/connection/socket-error.ts setImmediate": TELLS_APP,
  "src/http1/exchange/take-over.ts setImmediate": TELLS_APP,
  "src/http1/exchange/content.ts nextTick":
    "contains its own part, and emits `drain` outside, whose listeners are the app's",
  "src/http1/methods/connection-of.ts prependListener":
    "contains what it does itself, since it stands for every connection",
  "src/http2/content.ts setImmediate": "calls back Node's own stream, behind which the app may throw",
  "src/http2/content.ts nextTick": "calls back Node's own stream, behind which the app may throw",
  "src/http2/held.ts nextTick": "calls back Node's own stream, behind which the app may throw",
  "src/http2/http2-exchange.ts on": "reads properties only; its own listeners are contained",
  "src/http1/connection/kept-octets.ts nextTick": "emits `drain`, whose listeners are the app's",
  "src/http1/exchange/tear-down.ts once": "emits `aborted`, whose listeners are the app's",
  "src/kept/channel.ts nextTick": TELLS_APP,
  "src/kept/worker.ts on": "contains what it does itself, connection by connection",
  "src/kept/ports-to-come.ts nextTick": TELLS_APP,
  "src/shutdown/close-method.ts nextTick": TELLS_APP,
  "src/shutdown/process-events.ts prependListener":
    "the end of the process itself, where a failure ends it as Node would",
  "src/shutdown/end.ts nextTick": "the end of the process itself, where a failure ends it as Node would",
  "src/shutdown/other-listeners.ts nextTick": "the end of the process itself, where a failure ends it as Node would",
  "src/recorder/recorder.ts on": "contains what it does itself, recorder by recorder",
  "src/weak-interval.ts setInterval": "whoever starts it contains what it does",
  "src/watchdog/watchdog.ts setInterval": "does nothing that throws, and is known by its name on the stack",
};

function sources(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => relative(ROOT, join(ROOT, directory, name)).replaceAll("\\", "/"))
    .filter((name) => !OWN_PROGRAMS.test(name));
}

/** Every callback of a file that Node calls with nothing of the app below it, and that may throw. */
function uncontained(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8").replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) =>
    comment.replace(/[^\n]/g, " "),
  );
  // Names that stand for something contained.
  const contained = new Set(
    [...text.matchAll(/(?:const|readonly|this\.)\s?(#?\w+)(?:: [^={]+)? =\s+(?:asOwn\()?contained\(/g)].map(
      ([, name]) => name,
    ),
  );
  const found: string[] = [];
  for (const call of text.matchAll(/(?<![\w#.]|function )(?:[\w#.()!?]+\.)?(\w+)\(/g)) {
    const [whole, method = ""] = call;
    if (!SCHEDULES.has(method) && !LISTENS.has(method)) continue;
    const given = argumentsFrom(text, call.index + whole.length)[SCHEDULES.has(method) ? 0 : 1];
    // Which only says whose it is.
    const callback = given?.replace(/^asOwn\((.*)\)$/s, "$1");
    // Without a second argument it is no event, and what begins with a digit is the time of a promise.
    if (callback === undefined || /^(?:\d|\w+: )/.test(callback)) continue;
    const name = /^(?:this\.)?(#?\w+)(?: as \w+)?$/.exec(callback)?.[1];
    if (callback.startsWith("contained(") || contained.has(name) || isHarmless(callback)) continue;
    const key = `${file} ${method}`;
    if (!(key in EXCEPTIONS)) found.push(`${key}, line ${text.slice(0, call.index).split("\n").length}: ${callback}`);
  }
  return found;
}

/** The arguments of a call whose parenthesis has just been opened. */
function argumentsFrom(text: string, start: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < text.length; at++) {
    const char = text[at] as string;
    if ("([{".includes(char)) depth++;
    const ends = ")]}".includes(char) && --depth < 0;
    if (!ends && (char !== "," || depth > 0)) continue;
    const argument = text.slice(from, at).trim();
    if (argument !== "") found.push(argument);
    if (ends) break;
    from = at + 1;
  }
  return found;
}

/** What stops a timer cannot throw; a callback of the app is called as Node would call it. */
function isHarmless(text: string): boolean {
  return (
    /^\(\) => (?:clearTimeout|clearInterval)\([\w.#]+\)$/.test(text) ||
    /^(?:\(?callback|\(?done|\(?resolve)\b/.test(text) ||
    /^(?:\(\) => (?:\{\}|undefined)|ignore)$/.test(text)
  );
}

it("leaves no callback of the guard's own from which an exception could reach the process", () => {
  const files = [...sources("src"), ...sources("adapters")];
  expect(files.length).toBeGreaterThan(80);
  expect(files.flatMap(uncontained)).toEqual([]);
});
