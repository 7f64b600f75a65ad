/** The working directory; undefined where somebody has removed it, which no program notices that does not ask. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}
