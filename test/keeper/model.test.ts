import { describe, expect, it } from "vitest";
import { type Mutant, type Scenario, search } from "./model.js";

const SCENARIOS = {
  "one request after the other": { asked: [{}, {}] },
  "two pipelined requests": { asked: [{}, {}], pipelined: true },
  "a response that ends its connection": { asked: [{ closes: true }] },
  "a response that ends its connection, and a request behind it": {
    asked: [{ closes: true }, {}],
    pipelined: true,
  },
  "a response without an end of its own": { asked: [{ endless: true }] },
  "a response without an end of its own, pipelined": {
    asked: [{}, { endless: true }],
    pipelined: true,
  },
  "a response that is cut": { asked: [{ fails: true }, {}] },
  "a response without an end of its own that is cut": {
    asked: [{ endless: true, fails: true }],
  },
  "another protocol": { asked: [{ switches: true }] },
  "another protocol behind a response": {
    asked: [{}, { switches: true }],
    pipelined: true,
  },
  TLS: { asked: [], opaque: true },
  "an interim response": { asked: [{ interim: true }, {}] },
  "an interim response, pipelined": {
    asked: [{}, { interim: true }],
    pipelined: true,
  },
  "an upload": { asked: [{ content: 2 }, {}] },
  "an upload that is answered early": {
    asked: [{ content: 2, early: true }, {}],
  },
  "an upload that is answered early, pipelined": {
    asked: [{ content: 1, early: true }, {}],
    pipelined: true,
  },
  "an upload behind a request, pipelined": { asked: [{}, { content: 1 }], pipelined: true },
  "three pipelined requests": { asked: [{}, {}, {}], pipelined: true },
  "a worker that retires": { asked: [{}, {}], retires: true },
  "a worker that retires with an upload": {
    asked: [{ content: 1, early: true }, {}],
    retires: true,
  },
  "a full ledger": { asked: [{ endless: true }], slots: 0 },
  "a full ledger, pipelined": {
    asked: [{}, {}],
    pipelined: true,
    slots: 0,
    comesFree: true,
  },
  "a ledger with one slot": {
    asked: [{}, { endless: true }],
    pipelined: true,
    slots: 1,
  },
} as const satisfies Record<string, Scenario>;

/** Different states of client, kernel, worker, ledger and keeper. */
const STATES: Record<keyof typeof SCENARIOS, number> = {
  "one request after the other": 132,
  "two pipelined requests": 333,
  "a response that ends its connection": 51,
  "a response that ends its connection, and a request behind it": 503,
  "a response without an end of its own": 51,
  "a response without an end of its own, pipelined": 357,
  "a response that is cut": 168,
  "a response without an end of its own that is cut": 87,
  "another protocol": 69,
  "another protocol behind a response": 357,
  TLS: 105,
  "an interim response": 195,
  "an interim response, pipelined": 369,
  "an upload": 186,
  "an upload that is answered early": 459,
  "an upload that is answered early, pipelined": 588,
  "an upload behind a request, pipelined": 564,
  "three pipelined requests": 1854,
  "a worker that retires": 336,
  "a worker that retires with an upload": 633,
  "a full ledger": 51,
  "a full ledger, pipelined": 567,
  "a ledger with one slot": 357,
};

/** In another order, or left out: what each breaks, and where. */
const MUTANTS = [
  [
    "a mark is written behind the octets",
    "octets came behind those of another, unfinished response",
    "one request after the other",
  ],
  [
    "an interim response leaves no mark",
    "octets came behind those of another, unfinished response",
    "an interim response",
  ],
  [
    "a slot is freed before the kernel has the response",
    "a request that was written down got neither an answer nor a break",
    "one request after the other",
  ],
  [
    "a slot is freed before the kernel has the response",
    "a cut response looks complete",
    "a response without an end of its own",
  ],
  [
    "a slot is freed before the content of its request is read",
    "octets that are no start of a message were taken for one",
    "an upload that is answered early",
  ],
  [
    "a slot is freed before what was read with its request is parsed",
    "octets that are no start of a message were taken for one",
    "an upload behind a request, pipelined",
  ],
  [
    "the next response is not marked before the slot in front of it is freed",
    "a request got two answers",
    "two pipelined requests",
  ],
  ["a slot is written once the app has answered", "a request got two answers", "one request after the other"],
  [
    "a request is written down once its header section has arrived",
    "octets that are no start of a message were taken for one",
    "an upload",
  ],
  [
    "a request is written down once the parser has returned",
    "octets that are no start of a message were taken for one",
    "an upload",
  ],
  ["another protocol is marked behind its octets", "a request got two answers", "another protocol"],
  ["TLS is not marked", "octets that are no start of a message were taken for one", "TLS"],
  [
    "slots are freed before the keeper is told",
    "a request that was written down got neither an answer nor a break",
    "a response that is cut",
  ],
  [
    "the ledger is taken before the pipe is read",
    "a request that was written down got neither an answer nor a break",
    "a response that is cut",
  ],
  [
    "a response that was cut is marked as answered",
    "a cut response looks complete",
    "a response without an end of its own that is cut",
  ],
  [
    "a request is written down behind one that found no slot",
    "octets came behind those of another, unfinished response",
    "a full ledger, pipelined",
  ],
  ["the keeper ends with FIN what may be anything", "a cut response looks complete", "a full ledger"],
  [
    "the keeper hands on a connection whose content is owed",
    "octets that are no start of a message were taken for one",
    "an upload that is answered early",
  ],
  ["the keeper answers what is under way", "a request got two answers", "one request after the other"],
] as const satisfies (readonly [Mutant, string, keyof typeof SCENARIOS])[];

describe("whenever a worker dies, a client is answered once, or sees a break:", () => {
  it.each(Object.entries<Scenario>(SCENARIOS))("%s", (name, scenario) => {
    const { states, broken, mostLost, isMistaken } = search(scenario);
    expect([...broken]).toEqual([]);
    expect(states).toBe(STATES[name as keyof typeof SCENARIOS]);
    expect(mostLost).toBe(0);
    expect(isMistaken).toBe(false);
  });
});

describe("the search finds what is in another order, or left out:", () => {
  it.each(MUTANTS)("%s: %s", (mutant, breaks, name) => {
    const { broken } = search(SCENARIOS[name], mutant);
    expect([...broken.keys()]).toContain(breaks);
  });
});
