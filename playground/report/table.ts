import { type Colour, paint } from "./text.js";

export interface Cell {
  readonly text: string;
  readonly colour?: Colour;
}

/** Lines of a table: columns as wide as their widest cell (ASCII), two spaces apart. */
export function tableLines(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.text.length ?? 0)));
  const line = (cells: readonly Cell[]): string => {
    const last = cells.length - 1;
    const padded = cells.map(({ text, colour }, i) => {
      // Padding stays outside the colour, and the last column has none: no spaces at the end of a line.
      const padding = i === last ? "" : " ".repeat((widths[i] as number) - text.length);
      return (colour ? paint(colour, text) : text) + padding;
    });
    return padded.join("  ");
  };
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(head.map((text) => ({ text, colour: "bold" }))), paint("dim", rule), ...rows.map(line)];
}
