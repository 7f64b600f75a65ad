import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** Every document, as a path in the repository. */
export const DOCUMENTS: readonly string[] = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].sort();

export function textOf(document: string): string {
  return readFileSync(join(ROOT, document), "utf8");
}

/** A block of code of a document. */
export interface Snippet {
  readonly document: string;
  readonly language: string;
  readonly text: string;
  /** Where to look for it. */
  readonly name: string;
}

/** Every block of code of every document, in the languages given. */
export function snippetsIn(...languages: string[]): Snippet[] {
  return DOCUMENTS.flatMap((document) => {
    const text = textOf(document);
    return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
      .filter(([, language = ""]) => languages.includes(language))
      .map(([all, language = "", code = ""]) => {
        const line = text.slice(0, text.indexOf(all)).split("\n").length;
        return { document, language, text: code, name: `${document}:${line}` };
      });
  });
}

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** Links of a document to others, with the place they lead to. */
export function linksOf(document: string): { readonly to: string; readonly anchor: string }[] {
  const folder = join("/", document, "..");
  return [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#");
      return { to: path === "" ? document : join(folder, path).slice(1), anchor };
    });
}
