import type { IncomingMessage } from "node:http";

/** Routes are named by clients as much as by apps: without a bound, the memory of what was said would grow with them. */
const MOST_REMEMBERED = 1_000;

/** What is told once for each route: what an app does on one of them, it does for every request there. */
export class ToldOnce {
  readonly #said = new Set<string>();

  /** Whether this is the first time; beyond the bound nothing is. */
  isNew(code: string, request: IncomingMessage | null): boolean {
    if (this.#said.size >= MOST_REMEMBERED) return false;
    const key = `${code} ${request === null ? "" : routeOf(request)}`;
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    return true;
  }
}

/** Method and path pattern: the framework's, where it has told one; else the path, with what looks like a value left out. */
function routeOf(request: IncomingMessage): string {
  const { route, baseUrl, url, method } = request as IncomingMessage & { route?: { path?: unknown }; baseUrl?: string };
  const known = route?.path;
  if (known !== undefined) return `${method} ${baseUrl ?? ""}${String(known)}`;
  const path = (url ?? "").split("?", 1)[0] as string;
  return `${method} ${path.slice(0, 256).replace(/[^/]*\d[^/]*|[^/]{33,}/g, "*")}`;
}
