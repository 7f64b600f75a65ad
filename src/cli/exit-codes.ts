/** Exit codes of every subcommand, for scripts and CI. */
export const EXIT = {
  /** It was done, and nothing is wrong. */
  OK: 0,
  /** It was done, and something is wrong: a finding, an unhealthy answer, a threshold passed. */
  FOUND: 1,
  /** It could not be done: bad arguments, an unreadable file, a service that cannot be asked. */
  FAILED: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a command could not do its work, in words for whoever typed it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
