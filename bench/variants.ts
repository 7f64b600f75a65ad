export const FRAMEWORKS = ["express", "fastify"] as const;
export type Framework = (typeof FRAMEWORKS)[number];

/** What surrounds the application; `origins/` holds each. */
export const VARIANTS = ["bare", "guarded", "everything", "usual"] as const;
export type Variant = (typeof VARIANTS)[number];

/** Lines a variant logs for each request: a variant that logs less than it says would look cheap. */
export function linesPerRequest(framework: Framework, variant: Variant): number {
  if (variant === "everything") return 1;
  if (variant === "usual") return framework === "fastify" ? 2 : 1; // Fastify logs the request and the response
  return 0;
}
