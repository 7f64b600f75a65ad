/** One line of the text exposition format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

/** Reads the text exposition format, version 0.0.4; what is no such line is an error. */
export function parseExposition(text: string): { samples: Sample[]; types: Record<string, string> } {
  const samples: Sample[] = [];
  const types: Record<string, string> = {};
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n")) {
    if (line === "" || line === "# EOF" || line.startsWith("# HELP ")) continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type !== null) {
      types[type[1] as string] = type[2] as string;
      continue;
    }
    const match = LINE.exec(line);
    if (match === null) throw new Error(`no line of the format: ${line}`);
    const [, name = "", pairs = "", value = ""] = match;
    const labels: Record<string, string> = {};
    let read = 0;
    for (const [whole, label = "", text = ""] of pairs.matchAll(LABEL)) {
      labels[label] = text;
      read += whole.length;
    }
    if (read !== pairs.length) throw new Error(`no labels of the format: ${pairs}`);
    samples.push({ name, labels, value: value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value) });
  }
  return { samples, types };
}

/** The value of the one sample with this name and these labels, or undefined. */
export function sampleOf(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = parseExposition(text).samples.filter(
    (sample) =>
      sample.name === name &&
      Object.keys(sample.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length > 1) throw new Error(`${name} is there ${found.length} times`);
  return found[0]?.value;
}
