import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline, Readable, type Transform } from "node:stream";
import zlib, { createBrotliDecompress, createGunzip } from "node:zlib";
import { MAGIC } from "../../recorder/recorder-file.js";
import { CommandError } from "../exit-codes.js";
import { linesOf } from "./lines.js";

/** Name of standard input, on the command line and in what is told. */
export const STDIN = "-";

/** Lines of a stream that are kept, since it cannot be read twice; in characters. */
const KEPT = 8 * 1_048_576;

export interface Source {
  readonly name: string;
  /** What it is: the file of a flight recorder is read as a whole, and by its own rules. */
  readonly kind: "log" | "recorder";
  /** Lines, or null for one that is too long; of a stream that has been read, its last ones. */
  lines(): AsyncIterable<string | null>;
}

/**
 * Opens a log. How it is compressed is told by its first octets, and of Brotli by its name.
 * @throws {CommandError} where it cannot be read
 */
export async function openSource(name: string): Promise<Source> {
  if (name === STDIN) return new StreamSource(name, process.stdin);
  let file: FileHandle | undefined;
  try {
    file = await open(name, "r");
    const stat = await file.stat();
    if (stat.isDirectory()) throw new CommandError(`${name} is a directory; name the files in it.`);
    // A pipe, such as <(zcat ...), gives what it has only once.
    if (!stat.isFile()) return new StreamSource(name, createReadStream(name));
    const head = Buffer.alloc(MAGIC.length);
    await file.read(head, 0, head.length, 0);
    const kind = head.toString("latin1") === MAGIC ? "recorder" : "log";
    return { name, kind, lines: () => linesOf(plain(createReadStream(name), name)) };
  } catch (error) {
    throw unreadable(name, error);
  } finally {
    await file?.close();
  }
}

class StreamSource implements Source {
  readonly kind = "log";
  readonly name: string;
  readonly #stream: Readable;
  readonly #kept: (string | null)[] = [];
  #read = false;

  constructor(name: string, stream: Readable) {
    this.name = name;
    this.#stream = stream;
  }

  async *lines(): AsyncGenerator<string | null> {
    if (this.#read) {
      yield* this.#kept;
      return;
    }
    this.#read = true;
    let octets = 0;
    for await (const line of linesOf(plain(this.#stream, this.name))) {
      this.#kept.push(line);
      octets += line?.length ?? 0;
      // In steps: to shift a long array for each line would cost more than reading it.
      if (octets > 2 * KEPT) {
        let dropped = 0;
        while (octets > KEPT) octets -= this.#kept[dropped++]?.length ?? 0;
        this.#kept.splice(0, dropped);
      }
      yield line;
    }
  }
}

/** The log was cut or damaged in mid-file: what came before counts. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
}

async function* plain(stream: Readable, name: string): AsyncGenerator<Buffer> {
  try {
    const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let head = Buffer.alloc(0);
    while (head.length < LONGEST_MAGIC) {
      const { done, value } = await chunks.next();
      if (done) break;
      head = Buffer.concat([head, value]);
    }
    yield* decoded(name, head, chunks);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (/^Z_|^ZSTD_|^ERR_(?:BUFFER|ZLIB|ZSTD|_ERROR|BROTLI)/.test(code))
      throw new DamagedError((error as Error).message);
    throw unreadable(name, error);
  } finally {
    stream.destroy();
  }
}

const LONGEST_MAGIC = 6;

/** What is no plain text, by its first octets (in Latin-1); `null`: a form that Node does not read. */
const FORMS: readonly (readonly [string, string, null | (() => Transform | undefined)])[] = [
  ["\x1f\x8b", "gzip", createGunzip],
  ["\x28\xb5\x2f\xfd", "zstd", () => (zlib as { createZstdDecompress?(): Transform }).createZstdDecompress?.()],
  ["\xfd7zXZ\x00", "xz", null],
  ["BZh", "bzip2", null],
  ["PK\x03\x04", "zip", null],
  ["\x04\x22\x4d\x18", "lz4", null],
];

async function* decoded(name: string, head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  const octets = joined(head, chunks);
  const first = head.toString("latin1");
  // Also without a mark in front: ASCII then has a NUL beside each octet.
  if (/^(?:\xff\xfe|(?:[^\0]\0){2})/.test(first)) yield* transcoded(octets, "utf-16le");
  else if (/^(?:\xfe\xff|(?:\0[^\0]){2})/.test(first)) yield* transcoded(octets, "utf-16be");
  else {
    const form = FORMS.find(([magic]) => first.startsWith(magic));
    if (form === undefined && name.endsWith(".br"))
      yield* decompressed(name, "brotli", createBrotliDecompress(), octets);
    else if (form === undefined) yield* octets;
    else yield* decompressed(name, form[1], form[2]?.(), octets);
  }
}

async function* decompressed(
  name: string,
  form: string,
  decompress: Transform | undefined,
  octets: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (decompress === undefined) {
    const what = `${name} is compressed with ${form}, which Node ${process.version} does not read`;
    throw new CommandError(`${what}: decompress it first, and give the result as "-".`);
  }
  pipeline(
    Readable.from(octets),
    decompress,
    () => {}, // an error comes out of the last one
  );
  yield* decompress as AsyncIterable<Buffer>;
}

/** PowerShell writes its redirections in UTF-16. */
async function* transcoded(octets: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of octets) yield Buffer.from(decoder.decode(chunk, { stream: true }));
}

async function* joined(head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

function unreadable(name: string, error: unknown): Error {
  if (error instanceof CommandError || error instanceof DamagedError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "it may not be read" : message;
  return new CommandError(`${name} cannot be read: ${why}.`);
}
