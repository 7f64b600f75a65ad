import { printable } from "./printable.js";
import type { Colours, Terminal } from "./terminal.js";

export type Tone = "title" | "good" | "bad" | "warning" | "aside" | "plain";

/** A line of a report; whatever it quotes is made safe when it is printed. */
export interface ProseLine {
  readonly text: string;
  readonly tone: Tone;
}

export function line(text = "", tone: Tone = "plain"): ProseLine {
  return { text, tone };
}

export function printProse(terminal: Terminal, lines: readonly ProseLine[]): void {
  const paint = painter(terminal.colours);
  terminal.out(lines.map(({ text, tone }) => paint(tone, printable(text, 4_000))).join("\n"));
}

function painter({ bold, green, red, yellow, dim }: Colours) {
  const paints = { title: bold, good: green, bad: red, warning: yellow, aside: dim, plain: (text: string) => text };
  return (tone: Tone, text: string): string => (text === "" ? "" : paints[tone](text));
}

/** A time, to the millisecond, in UTC. */
export function clock(ms: number | null): string {
  return ms === null || Math.abs(ms) > 8.64e15
    ? "an unknown time"
    : `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
