import { styleText } from "node:util";

export type Colour = "red" | "yellow" | "green" | "dim" | "bold";

/** Colours text where the terminal shows colours: hasColors() knows NO_COLOR and FORCE_COLOR. */
export function paint(colour: Colour, text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(colour, text) : text;
}

/** Breaks text between words into lines of at most `columns`. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
