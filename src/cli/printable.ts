/** Control characters, and those that reorder or hide text: a terminal obeys some of them. */
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Text of somebody else on one line, safe to print: what a terminal would obey is spelled out, and the rest cut. */
export function printable(text: string, longest = 2_100): string {
  const safe = text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return safe.length > longest ? `${safe.slice(0, longest)}...` : safe;
}

/** JSON on one line that is safe to print: the same value, with those characters as escapes. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
