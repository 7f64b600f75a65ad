/** What a client gets for one request. */
export type Outcome = keyof typeof OUTCOMES;

/** Each of them, and what an edge between client and origin server shows. */
export const OUTCOMES = {
  answered: "200",
  /** A complete response as well. */
  unavailable: "503",
  /** The connection ended behind the request, and no header section has come. */
  empty: "520",
  refused: "521",
  /** Nothing came in time. */
  silent: "524",
  /** Broken off behind the header section. */
  cut: "cut",
  /** The answer to another request, octets that nobody has asked for, or what no strict parser takes. */
  wrong: "wrong",
} as const;

/** How often each has been seen. */
export type Tally = Readonly<Record<Outcome, number>>;

export function emptyTally(): Record<Outcome, number> {
  return { answered: 0, unavailable: 0, cut: 0, empty: 0, refused: 0, silent: 0, wrong: 0 };
}

/** What the edge showed for the requests that the app has not answered: `12 × 520, 80 × 521, 2 × cut`. */
export function unansweredText(tally: Tally): string {
  const seen = (Object.keys(OUTCOMES) as Outcome[]).filter((outcome) => outcome !== "answered" && tally[outcome] > 0);
  return seen.map((outcome) => `${tally[outcome]} × ${OUTCOMES[outcome]}`).join(", ") || "nothing lost";
}
