import { TOKEN_SOURCE } from "../../../src/http/grammar.js";
import { ALL_CAUSES } from "../../causes/index.js";
import { DEATHS } from "../../deaths/deaths.js";
import { STAGE_FRAMEWORKS } from "./stage.js";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

const MAX_FIELDS = 40;
const MAX_NAME_LENGTH = 100;
const MAX_VALUE_LENGTH = 20_000;
const MAX_PATH_LENGTH = 2_000;

/** Shape of a `RunOrder`: what leaves the page is a well-formed request, whatever the form says. */
export const RUN_SCHEMA = {
  type: "object",
  required: ["cause", "framework", "request"],
  additionalProperties: false,
  properties: {
    cause: { enum: ALL_CAUSES.map(({ name }) => name) },
    framework: { enum: STAGE_FRAMEWORKS },
    request: {
      type: "object",
      required: ["method", "path", "headers", "way", "version", "keptAlive"],
      additionalProperties: false,
      properties: {
        method: { enum: METHODS },
        path: { type: "string", maxLength: MAX_PATH_LENGTH, pattern: "^/[\\x21-\\x22\\x24-\\x7e]*$" },
        headers: {
          type: "array",
          maxItems: MAX_FIELDS,
          items: {
            type: "array",
            minItems: 2,
            maxItems: 2,
            items: [
              { type: "string", maxLength: MAX_NAME_LENGTH, pattern: `^${TOKEN_SOURCE}$` },
              { type: "string", maxLength: MAX_VALUE_LENGTH, pattern: "^[\\x20-\\x7e]*$" },
            ],
          },
        },
        way: { enum: ["edge", "direct"] },
        version: { enum: ["1.0", "1.1"] },
        keptAlive: { type: "boolean" },
      },
    },
  },
} as const;

/** Shape of a `DeathOrder`. */
export const DEATH_SCHEMA = {
  type: "object",
  required: ["death", "framework"],
  additionalProperties: false,
  properties: { death: { enum: DEATHS.map(({ name }) => name) }, framework: { enum: STAGE_FRAMEWORKS } },
} as const;

/** Fields that decide where a request goes and where it ends; those are not the form's to choose. */
const OWN_FIELDS =
  /^(?:host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|playground-.*)$/i;

/** The name of a field that a form may not set, where there is one. */
export function ownField(headers: readonly (readonly [string, string])[]): string | undefined {
  return headers.find(([name]) => OWN_FIELDS.test(name))?.[0];
}
