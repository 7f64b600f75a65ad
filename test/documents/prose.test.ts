import { describe, expect, it } from "vitest";
import { DOCUMENTS, textOf } from "./documents.js";

/** Words of a sentence; one whose first language is another loses the thread of a longer one. */
const MOST_WORDS = 36;

/** Sentences of paragraphs and lists: no code, no table, no heading, and nothing that is generated. */
function sentences(document: string): string[] {
  return textOf(document)
    .replaceAll(/<!-- (\w+):[\s\S]*?<!-- \/\1 -->/g, "\n\n")
    .replaceAll(/^```[\s\S]*?^```$/gm, "\n\n")
    .split(/\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) )/)
    .filter((part) => !/^\s*[|#]/.test(part))
    .flatMap((part) => part.replaceAll(/\s+/g, " ").split(/(?<=[.:!?])(?:\*\*|\))? /));
}

describe.each(DOCUMENTS)("%s", (document) => {
  it("has no sentence that is too long to be read once", () => {
    expect(sentences(document).filter((sentence) => sentence.split(" ").length > MOST_WORDS)).toEqual([]);
  });
});

it("finds sentences", () => {
  expect(DOCUMENTS.flatMap(sentences).length).toBeGreaterThan(1_000);
});
