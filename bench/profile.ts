/** The part of a V8 CPU profile that is used here. */
export type Profile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
};

/** A function, as `name file:line`. */
export type Frame = string;

const ROOT = new URL("../", import.meta.url).href;

/** Self time of each function, in microseconds. */
export function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<Frame, number> {
  const frames = new Map<number, Frame>();
  for (const { id, callFrame } of nodes) {
    const { functionName, url, lineNumber } = callFrame;
    frames.set(id, `${functionName || "(anonymous)"} ${url.replace(ROOT, "")}:${lineNumber + 1}`);
  }
  const times = new Map<Frame, number>();
  samples.forEach((id, index) => {
    const frame = frames.get(id) as Frame;
    // A sample stands for the time until the next one.
    times.set(frame, (times.get(frame) ?? 0) + (timeDeltas[index + 1] ?? 0));
  });
  times.delete("(idle) :0");
  return times;
}

/** The package a function belongs to, or the engine's own word in brackets. */
export function groupOf(frame: Frame): string {
  const [, url = ""] = /^.* (\S*):\d+$/.exec(frame) ?? [];
  const dependency = /(?:^|.*\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (dependency !== undefined) return dependency;
  if (url.startsWith("dist/")) return "rayguard";
  if (url.startsWith("node:")) return "node";
  if (url !== "") return "the application";
  return frame.startsWith("(") ? frame.replace(/ :\d+$/, "") : "(native)";
}
