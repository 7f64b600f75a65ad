import { readSync, statfsSync } from "node:fs";

/** The functions of the C library that this needs. */
interface Library {
  mmap(at: bigint, length: bigint, protection: number, flags: number, fd: number, offset: bigint): bigint;
  munmap(at: bigint, length: bigint): number;
}

/** What this needs of `node:ffi`. */
interface ForeignFunctions {
  dlopen(path: null, functions: object): { readonly functions: Library };
  toArrayBuffer(at: bigint, length: number, copies: boolean): ArrayBuffer;
}

/** Where the experimental API, and the types of the C library, are as they are known here. */
const isKnown =
  process.versions.node.startsWith("26.") && process.platform === "linux" && /^(?:x64|arm64)$/.test(process.arch);

const FUNCTIONS = {
  mmap: { arguments: ["pointer", "uint64", "int32", "int32", "int32", "int64"], return: "pointer" },
  munmap: { arguments: ["pointer", "uint64"], return: "int32" },
};
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
/** Type of a file system that is memory: elsewhere a page may find no room on the disk as it is written, which is SIGBUS. */
const TMPFS = 0x01021994;

/** What is stored to find that it comes into the file. */
const PROBE = Uint8Array.of(1, 2, 3, 4);

/** A file of which each octet is one of memory: to write there is no call to the kernel. */
export class MappedFile {
  readonly #words: Uint32Array;
  readonly #unmap: () => void;

  /**
   * @param fd - open for reading and writing
   * @param path - of the same file
   * @param length - of the file, all of which has been written; its last four octets are 0
   * @returns undefined where that cannot be done, or is not known to be safe
   */
  static of(fd: number, path: string, length: number): MappedFile | undefined {
    try {
      // With permissions it would be refused, or audited.
      if (!isKnown || process.permission || statfsSync(path).type !== TMPFS) return undefined;
      const foreign = foreignFunctions();
      if (foreign === undefined) return undefined;
      const { functions } = foreign.dlopen(null, FUNCTIONS);
      const at = functions.mmap(0n, BigInt(length), PROT_READ_WRITE, MAP_SHARED, fd, 0n);
      if (typeof at !== "bigint" || BigInt.asIntN(64, at) <= 0n) return undefined;
      const unmap = () => void functions.munmap(at, BigInt(length));
      const file = new MappedFile(new Uint32Array(foreign.toArrayBuffer(at, length, false)), unmap);
      if (file.#reaches(fd, length)) return file;
      file.close();
    } catch {
      // then it is written to as any other file
    }
    return undefined;
  }

  private constructor(words: Uint32Array, unmap: () => void) {
    this.#words = words;
    this.#unmap = unmap;
  }

  /** What is written here can be read there. */
  #reaches(fd: number, length: number): boolean {
    const at = length - PROBE.length;
    const found = new Uint8Array(PROBE.length);
    this.write(PROBE, PROBE.length, at);
    readSync(fd, found, 0, found.length, at);
    this.write(new Uint8Array(PROBE.length), PROBE.length, at);
    return found.every((octet, i) => octet === PROBE[i]);
  }

  /** @param at - a multiple of four, and so is the number of octets that are there */
  write(octets: Uint8Array, length: number, at: number): void {
    storeWords(this.#words, octets, length, at);
  }

  /** Nothing can be written behind this. */
  close(): void {
    this.#unmap();
  }
}

/**
 * Puts octets in their place, four at a time, the first of them last: that is what says that the others are there, and a
 * kill may come between any two. It is never in the middle of four.
 * @param words - where to
 */
export function storeWords(words: Record<number, number>, octets: Uint8Array, length: number, at: number): void {
  for (let i = (length - 1) & ~3; i >= 0; i -= 4) {
    const low = (octets[i] as number) | ((octets[i + 1] as number) << 8);
    words[(at + i) >>> 2] = low | ((octets[i + 2] as number) << 16) | ((octets[i + 3] as number) << 24);
  }
}

/** Node warns of it as it is loaded, in the name of an app that has nothing to do with that. */
function foreignFunctions(): ForeignFunctions | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:ffi" as "node:fs") as unknown as ForeignFunctions | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
