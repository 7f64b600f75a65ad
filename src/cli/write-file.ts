import { randomBytes } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { CommandError } from "./exit-codes.js";

/**
 * Writes a file so that a reader sees the old content or the new, never a part of it; an existing file keeps its mode.
 * @throws {CommandError} where it cannot be written; then nothing is left behind
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  // In the same folder: a rename is atomic within one file system only.
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const mode = await stat(path).then(
      (found) => found.mode & 0o777,
      () => 0o644,
    );
    await writeFile(temporary, text, { flag: "wx", mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CommandError(`Cannot write ${path}: ${(error as Error).message}.`);
  }
}
