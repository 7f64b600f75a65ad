import type { Framework } from "../process/origin-process.js";
import { DEATHS, type Death } from "./deaths.js";
import { type DeathFinding, provokeDeath } from "./provoke-death.js";
import { SupervisedProgram } from "./supervised-program.js";

export type DeathFindings = ReadonlyMap<Death, DeathFinding>;

/** What was found for one framework. */
export interface DeathComparison {
  readonly framework: Framework;
  readonly bare: DeathFindings;
  readonly kept: DeathFindings;
}

/** Why there is nothing to see here, where there is a reason. */
export function whyNoDeaths(): string | undefined {
  return process.platform === "win32"
    ? "rayguard run needs sockets that two processes can hold, which Windows has not"
    : undefined;
}

/** One program of each framework with a plain supervisor, and one with the keeper. */
export function supervisedPrograms(frameworks: readonly Framework[]): readonly SupervisedProgram[] {
  return frameworks.flatMap((framework) => [
    new SupervisedProgram(framework, "bare"),
    new SupervisedProgram(framework, "kept"),
  ]);
}

/**
 * Lets a program die every death, one after the other, and tells the progress.
 * @param first - which comes first, so that programs beside each other do not all take the processors at once
 */
export async function surveyDeaths(
  program: SupervisedProgram,
  first: number,
  tell: (done: number, title: string) => void,
): Promise<DeathFindings> {
  const findings = new Map<Death, DeathFinding>();
  for (let n = 0; n < DEATHS.length; n++) {
    const death = DEATHS[(first + n) % DEATHS.length] as Death;
    tell(n, death.title);
    findings.set(death, await provokeDeath(death, program));
  }
  tell(DEATHS.length, "done");
  return findings;
}
