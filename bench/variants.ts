export const FRAMEWORKS = ["express", "fastify"] as const;
export type Framework = (typeof FRAMEWORKS)[number];

/** What surrounds the application; `origins/` holds each. */
export const VARIANTS = ["bare", "context", "guarded", "line", "everything", "usual"] as const;
/**
 * `logger`: the bare framework with its own logger on, which writes nothing; only its memory is measured. `registered`:
 * the bare program under `rayguard/register`, without logging; `kept`: the same under `rayguard run`.
 */
export type Variant = (typeof VARIANTS)[number] | "logger" | "registered" | "kept";

/** Lines a variant logs for each request: a variant that logs less than it says would look cheap. */
export function linesPerRequest(framework: Framework, variant: Variant): number {
  if (variant === "everything" || variant === "line") return 1;
  if (variant === "usual") return framework === "fastify" ? 2 : 1; // Fastify logs the request and the response
  return 0;
}
