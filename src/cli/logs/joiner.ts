import { MAX_LINE } from "./lines.js";

/** Kubernetes cuts what is longer than its buffer: `P` marks a part, `F` the last one. */
const CRI = /^(\S+ (stdout|stderr)) ([PF])(?::\S*)? /;

/** Docker cuts at this length, and the last part alone ends with a line feed. */
const DOCKER = /^\{"log":"/;
const DOCKER_PART = 16_384;

/** An object over several lines, as `jq` and the tools of cloud providers print it, stands alone; in a list, indented. */
const OPENS = /^(\s*)\[?\{$/;

/** Puts lines together that were one when they were written. */
export class Joiner {
  readonly #parts = new Map<string, string>();
  #block: string[] = [];
  #blockOctets = 0;
  #end = "";

  /** @returns a line that is whole; undefined where more of it is to come */
  take(line: string): string | undefined {
    if (this.#block.length > 0 || line.endsWith("{")) return this.#inBlock(line);
    const cri = line.length > 30 && line.charCodeAt(0) < 0x3a ? CRI.exec(line) : null;
    if (cri !== null) return this.#joined(cri[2] as string, `${cri[1]} F `, line.slice(cri[0].length), cri[3] === "F");
    if (DOCKER.test(line)) return this.#docker(line);
    return line;
  }

  /** What has come of lines that have no end. */
  rest(): string | undefined {
    const rest = [...this.#parts.values(), ...this.#block].join("\n");
    this.#parts.clear();
    this.#block = [];
    return rest === "" ? undefined : rest;
  }

  #joined(stream: string, prefix: string, text: string, isLast: boolean): string | undefined {
    const open = this.#parts.get(stream);
    const all = open === undefined ? `${prefix}${text}` : `${open}${text}`;
    if (isLast || all.length > MAX_LINE) this.#parts.delete(stream);
    else this.#parts.set(stream, all);
    return isLast || all.length > MAX_LINE ? all : undefined;
  }

  #docker(line: string): string | undefined {
    if (line.length < DOCKER_PART && this.#parts.size === 0) return line;
    try {
      const wrapper = JSON.parse(line) as { log: string; stream?: unknown };
      const isPart = !wrapper.log.endsWith("\n") && Buffer.byteLength(wrapper.log) >= DOCKER_PART;
      const stream = `docker ${String(wrapper.stream)}`;
      if (!isPart && !this.#parts.has(stream)) return line;
      const log = this.#joined(stream, "", wrapper.log, !isPart);
      return log === undefined ? undefined : JSON.stringify({ ...wrapper, log });
    } catch {
      return line;
    }
  }

  #inBlock(line: string): string | undefined {
    const opens = OPENS.exec(line);
    // The innermost object that stands alone is the one that is somebody's line.
    if (opens !== null) {
      this.#block = [];
      this.#blockOctets = 0;
      this.#end = `${opens[1]}}`;
    } else if (this.#block.length === 0) return line;
    this.#block.push(line);
    this.#blockOctets += line.length;
    const ends = opens === null && line.startsWith(this.#end);
    if (!ends && this.#blockOctets <= MAX_LINE) return undefined;
    const all = this.#block.join("\n");
    this.#block = [];
    return all;
  }
}
