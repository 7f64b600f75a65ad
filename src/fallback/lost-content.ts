/** Fields that say something about content, and are wrong once other content takes its place. */
const DESCRIPTIVE = new Set([
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-disposition",
  "content-md5",
  "content-digest",
  "repr-digest",
  "digest",
  "accept-ranges",
  "transfer-encoding",
  "trailer",
  "etag",
  "last-modified",
  "expires",
  "age",
  "pragma",
  "cdn-cache-control",
  "cloudflare-cdn-cache-control",
  "surrogate-control",
  "set-cookie",
]);

/** Whether a field belongs to the content that was lost. Content-Type is not asked about: whoever answers sets it. */
export function isLostWithContent(name: string, value: unknown): boolean {
  const key = name.toLowerCase();
  if (key === "cache-control") return !/no-store|no-cache|private/i.test(String(value));
  return DESCRIPTIVE.has(key);
}
