import { content } from "./content.js";
import { failing } from "./failing.js";
import { malformed } from "./malformed.js";
import type { Misbehaviour } from "./misbehaviour.js";
import { uploads } from "./uploads.js";

export type { Misbehaviour, Upload } from "./misbehaviour.js";

export const MISBEHAVIOURS: readonly Misbehaviour[] = [...failing, ...malformed, ...content, ...uploads];

/** Path under which every origin server misbehaves in this way. */
export function pathOf({ name }: Misbehaviour): string {
  return `/${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
}
