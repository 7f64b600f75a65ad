import { randomBytes } from "node:crypto";

/** How the Ray IDs of steady traffic and of look-ups begin, so that a run does not take them for its own. */
const TRAFFIC = "f00df00d";

export function newRay(): string {
  // Never one of those.
  return `9${randomBytes(8).toString("hex").slice(1)}`;
}

export function newTrafficRay(): string {
  return `${TRAFFIC}${randomBytes(4).toString("hex")}`;
}

export function isTrafficRay(ray: string | null | undefined): boolean {
  return ray?.startsWith(TRAFFIC) === true;
}
