import { describe, expect, it } from "vitest";
import { CHUNKED, CLOSE, type Framing, isWhole, NONE, ofLength } from "../../src/exchange/framing.js";
import {
  type Circumstances,
  EVENTS,
  type Event,
  PHASES,
  type Phase,
  type PhaseName,
  type Remedy,
  remedyFor,
} from "../../src/exchange/state.js";

const NAMES = Object.keys(PHASES) as PhaseName[];

/** Phase by phase what each event leads to, in the order of `EVENTS`; a dot where it changes nothing. */
const CELLS: Readonly<Record<PhaseName, string>> = {
  //         headers commit end   fail     replace  cut pass   flushed gone
  open: "held sent . failing answered cut passed settled settled",
  held: ". sent . failing answered cut passed settled settled",
  failing: ". . . . answered cut passed void void",
  sent: ". . ended breaking answered cut passed settled settled",
  breaking: ". . ended . answered cut passed void void",
  ended: ". . . . . . passed settled settled",
  answered: ". . . . . . . void void",
  cut: ". . . . . . . void void",
  passed: ". . . . . . . void void",
  settled: ". . . . . . . . .",
  void: ". . . . . . . . .",
};

/** What a phase says of the response; the rest is false. */
const SAYS: Readonly<Record<PhaseName, string>> = {
  open: "",
  held: "",
  failing: "discards",
  sent: "isCommitted",
  breaking: "isCommitted discards",
  ended: "isCommitted isOver",
  answered: "isCommitted discards isVoid isOver",
  cut: "isCommitted discards isVoid isOver",
  passed: "discards isVoid isOver",
  settled: "isCommitted isOver isSettled",
  void: "isCommitted discards isVoid isOver isSettled",
};

/** Whether a response is out, is whole, and its client has left. */
const CIRCUMSTANCES: readonly Circumstances[] = [false, true].flatMap((isOut) =>
  [false, true].flatMap((isWhole) => [false, true].map((isLeft) => ({ isOut, isWhole, isLeft }))),
);

/** Remedies for each of them, in that order: of three marks the first is *out*, the second *whole*, the third *left*. */
const REMEDIES: Readonly<Record<PhaseName, Readonly<Record<string, Remedy>>>> = Object.fromEntries(
  NAMES.map((name) => {
    const isSent = name === "sent" || name === "breaking";
    const given = {
      "---": "replace",
      "--L": "pass",
      "-W-": "replace",
      "-WL": "pass",
      "O--": "cut",
      "O-L": "pass",
      "OW-": isSent ? "finish" : "cut",
      OWL: "pass",
    } as const;
    const over = Object.fromEntries(Object.keys(given).map((key) => [key, "ignore"]));
    return [name, ["open", "held", "failing", "sent", "breaking"].includes(name) ? given : over];
  }),
) as never;

describe("a phase", () => {
  it.each(NAMES)("%s: leads to another one by the events that it names, and stays at any other", (name) => {
    const cells = CELLS[name].split(" ");
    expect(cells).toHaveLength(EVENTS.length);
    for (const [at, event] of EVENTS.entries())
      expect([name, event, PHASES[name].after[event].name]).toEqual([
        name,
        event,
        cells[at] === "." ? name : cells[at],
      ]);
  });

  it.each(NAMES)("%s: says what of the response is out, and whose it is", (name) => {
    const { isCommitted, discards, isVoid, isOver, isSettled } = PHASES[name];
    const says = Object.entries({ isCommitted, discards, isVoid, isOver, isSettled }).filter(([, is]) => is);
    expect(says.map(([what]) => what).join(" ")).toBe(SAYS[name]);
  });

  it.each(NAMES)("%s: has one remedy for a failure in each of the circumstances", (name) => {
    for (const circumstances of CIRCUMSTANCES) {
      const { isOut, isWhole, isLeft } = circumstances;
      const key = `${isOut ? "O" : "-"}${isWhole ? "W" : "-"}${isLeft ? "L" : "-"}`;
      expect([name, key, remedyFor(PHASES[name], circumstances)]).toEqual([name, key, REMEDIES[name][key]]);
    }
  });
});

describe("framing", () => {
  const cases: readonly [Framing, number, { whole: boolean; exceeds: boolean }][] = [
    [NONE, 0, { whole: true, exceeds: false }],
    [ofLength(3), 0, { whole: false, exceeds: false }],
    [ofLength(3), 3, { whole: true, exceeds: false }],
    [ofLength(3), 4, { whole: false, exceeds: true }],
    [ofLength(0), 0, { whole: true, exceeds: false }],
    [ofLength(0), 1, { whole: false, exceeds: true }],
    [CHUNKED, 0, { whole: false, exceeds: false }],
    [CHUNKED, 9, { whole: false, exceeds: false }],
    [CLOSE, 0, { whole: false, exceeds: false }],
    [CLOSE, 9, { whole: false, exceeds: false }],
  ];
  it.each(cases)("%o with %i octets of content", (framing, octets, { whole, ...other }) => {
    expect(isWhole(framing, octets)).toBe(whole);
    expect({ exceeds: octets > framing.most }).toEqual(other);
  });
});

/** What a recipient has got of a response, and what it can see of it. */
interface World {
  readonly phase: Phase;
  readonly framing: Framing;
  /** Octets of content that the app has written, and of them those that are out; -1 in front of the header section. */
  readonly written: number;
  readonly out: number;
  readonly seen: "nothing" | "part" | "whole" | "guard's" | "break";
  readonly isLeft: boolean;
  readonly trail: readonly string[];
}

const LENGTH = 2;

/** The steps that an app, its client, and the guard can take next, each carried out as an exchange carries it out. */
function* stepsFrom(world: World): Generator<World> {
  const { phase, framing, written, out, isLeft, trail } = world;
  const on = (event: Event) => phase.after[event];
  const step = (name: string, next: Partial<World>): World => ({ ...world, ...next, trail: [...trail, name] });
  const sees = (octets: number) => (isWhole(framing, octets) ? "whole" : "part") as World["seen"];
  if (phase.isSettled) return;
  if (!phase.isOver && !phase.discards) {
    if (phase === PHASES.open) yield step("headers", { phase: on("headers"), written: 0 });
    const may = written + 1 <= framing.most;
    if (phase !== PHASES.open && written < LENGTH + 1 && may)
      yield step(
        "write",
        phase.isCommitted ? { written: written + 1, out: out + 1, seen: sees(out + 1) } : { written: written + 1 },
      );
    if (phase === PHASES.held) yield step("commit", { phase: on("commit"), out: written, seen: sees(written) });
    if (phase.isCommitted && (framing.length < 0 || written === framing.length))
      yield step("end", { phase: on("end"), seen: "whole" });
    yield step("fail later", { phase: on("fail") });
  }
  if (!isLeft) yield step("client leaves", { isLeft: true });
  if (isLeft) yield step("gone", { phase: on("gone") });
  if (phase === PHASES.ended || phase === PHASES.answered) yield step("flushed", { phase: on("flushed") });
  const isOut = phase.isCommitted;
  const remedy = remedyFor(phase, { isOut, isWhole: isWhole(framing, out), isLeft });
  if (remedy === "replace") yield step("fail: replace", { phase: on("replace"), seen: "guard's" });
  if (remedy === "cut") yield step("fail: cut", { phase: on("cut"), seen: "break" });
  if (remedy === "finish") yield step("fail: finish", { phase: on("end"), seen: "whole" });
}

describe("every course a response can take", () => {
  const framings = { none: NONE, length: ofLength(LENGTH), chunked: CHUNKED, close: CLOSE };
  it.each(Object.entries(framings))("ends in one of the four outcomes, or with its client: %s", (_, framing) => {
    const ends = new Set<string>();
    let courses = 0;
    const walk = (world: World): void => {
      const { phase, seen, isLeft, trail } = world;
      const next = [...stepsFrom(world)];
      // A break is seen for what it is, and an answer of the guard's stands alone.
      if (phase === PHASES.answered) expect([seen, trail]).toEqual(["guard's", trail]);
      if (phase === PHASES.cut) expect([seen, trail]).toEqual(["break", trail]);
      if (phase === PHASES.ended) expect([seen, trail]).toEqual(["whole", trail]);
      // Whatever has happened so far, a failure still has a way out that the recipient can see.
      if (!phase.isOver && !isLeft) expect(next.length, trail.join(", ")).toBeGreaterThan(0);
      if (phase.isSettled) ends.add(isLeft ? "client gone" : seen);
      courses++;
      for (const world of next) walk(world);
    };
    walk({ phase: PHASES.open, framing, written: -1, out: -1, seen: "nothing", isLeft: false, trail: [] });
    expect([...ends].sort()).toEqual(["client gone", "guard's", "whole"]);
    expect(courses).toBeGreaterThan(300);
  });
});
