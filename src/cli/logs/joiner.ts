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
  #blockLength = 0;
  #indent = "";

  /** @returns what is whole with this line: none where more of it is to come */
  take(line: string): readonly string[] {
    if (this.#block.length > 0 || line.endsWith("{")) return this.#inBlock(line);
    return this.#alone(line);
  }

  /** What has come of lines that have no end. */
  rest(): string | undefined {
    const rest = [...this.#parts.values(), ...this.#block].join("\n");
    this.#parts.clear();
    this.#block = [];
    return rest === "" ? undefined : rest;
  }

  #alone(line: string): readonly string[] {
    const cri = line.length > 30 && line.charCodeAt(0) < 0x3a ? CRI.exec(line) : null;
    if (cri !== null) return this.#joined(cri[2] as string, `${cri[1]} F `, line.slice(cri[0].length), cri[3] === "F");
    return DOCKER.test(line) ? this.#docker(line) : [line];
  }

  #joined(stream: string, prefix: string, text: string, isLast: boolean): readonly string[] {
    const open = this.#parts.get(stream);
    const all = open === undefined ? `${prefix}${text}` : `${open}${text}`;
    if (isLast || all.length > MAX_LINE) this.#parts.delete(stream);
    else this.#parts.set(stream, all);
    return isLast || all.length > MAX_LINE ? [all] : [];
  }

  #docker(line: string): readonly string[] {
    if (line.length < DOCKER_PART && this.#parts.size === 0) return [line];
    try {
      const wrapper = JSON.parse(line) as { log: string; stream?: unknown };
      const isPart = !wrapper.log.endsWith("\n") && Buffer.byteLength(wrapper.log) >= DOCKER_PART;
      const stream = `docker ${String(wrapper.stream)}`;
      if (!isPart && !this.#parts.has(stream)) return [line];
      return this.#joined(stream, "", wrapper.log, !isPart).map((log) => JSON.stringify({ ...wrapper, log }));
    } catch {
      return [line];
    }
  }

  #inBlock(line: string): readonly string[] {
    const opens = OPENS.exec(line);
    if (opens !== null) {
      // The innermost object that stands alone is the one that is somebody's line.
      const outer = this.#isDeeper(line) ? [] : this.#end();
      this.#block = [line];
      this.#blockLength = line.length;
      this.#indent = opens[1] as string;
      return outer;
    }
    if (this.#block.length === 0) return this.#alone(line);
    const isEnd = line.startsWith(`${this.#indent}}`);
    // One that has no end is what somebody else has printed, or was cut.
    if (!isEnd && !this.#isDeeper(line)) return [...this.#end(), ...this.#alone(line)];
    this.#block.push(line);
    this.#blockLength += line.length;
    return isEnd || this.#blockLength > MAX_LINE ? this.#end() : [];
  }

  #isDeeper(line: string): boolean {
    return line.startsWith(this.#indent) && /^[ \t]/.test(line.slice(this.#indent.length));
  }

  #end(): readonly string[] {
    const block = this.#block.join("\n");
    this.#block = [];
    return block === "" ? [] : [block];
  }
}
