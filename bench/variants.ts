export const FRAMEWORKS = ["express", "fastify"] as const;
export type Framework = (typeof FRAMEWORKS)[number];

/** What surrounds the application, apart from request loggers; `origins/` holds each. */
const COMMON = ["bare", "context", "guarded", "line", "everything", "usual"] as const;

/** The request loggers that the guard's line takes the place of, with nothing else around the application. */
export const REQUEST_LOGGERS = {
  express: ["pino-http", "morgan"],
  fastify: ["own-lines"],
} as const satisfies Record<Framework, readonly string[]>;

/**
 * `logger`: the bare framework with its own logger on, which writes nothing; only its memory is measured. `registered`:
 * the bare program under `rayguard/register`, without logging; `kept`: the same under `rayguard run`.
 */
export type Variant =
  | (typeof COMMON)[number]
  | (typeof REQUEST_LOGGERS)[Framework][number]
  | "logger"
  | "registered"
  | "kept";

export const VARIANTS: Record<Framework, readonly Variant[]> = {
  express: [...COMMON, ...REQUEST_LOGGERS.express],
  fastify: [...COMMON, ...REQUEST_LOGGERS.fastify],
};

/** Lines a variant logs for each request: a variant that logs less than it says would look cheap. */
export function linesPerRequest(framework: Framework, variant: Variant): number {
  switch (variant) {
    case "everything":
    case "line":
    case "pino-http":
    case "morgan":
      return 1;
    case "own-lines":
      return 2; // Fastify logs the request and the response
    case "usual":
      return framework === "fastify" ? 2 : 1;
    default:
      return 0;
  }
}
