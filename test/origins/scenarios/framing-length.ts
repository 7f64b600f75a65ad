import { group, type Misused, mended, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];

/** Content-Length values around the content "hello". */
const LENGTHS: Record<string, { value: unknown; rules: string[] }> = {
  "too small": { value: 3, rules: ["MC-5", "MC-7"] },
  "too large": { value: 50, rules: ["MC-5"] },
  zero: { value: 0, rules: ["MC-5", "MC-7"] },
  "one too large": { value: 6, rules: ["MC-5"] },
  negative: { value: -1, rules: ["FR-2"] },
  NaN: { value: Number.NaN, rules: ["FR-2"] },
  Infinity: { value: Number.POSITIVE_INFINITY, rules: ["FR-2"] },
  "a word": { value: "abc", rules: ["FR-2"] },
  empty: { value: "", rules: ["FR-2"] },
  "a fraction": { value: 5.5, rules: ["FR-2"] },
  hexadecimal: { value: "0x5", rules: ["FR-2"] },
  "an exponent": { value: "5e0", rules: ["FR-2"] },
  "with a plus": { value: "+5", rules: ["FR-2"] },
  "with a unit": { value: "5 bytes", rules: ["FR-2"] },
  "a list of the same": { value: "5, 5", rules: ["FR-3"] },
  "a list of different": { value: "5, 6", rules: ["FR-3"] },
  "an array of the same": { value: ["5", "5"], rules: ["FR-3"] },
  "an array of different": { value: ["5", "6"], rules: ["FR-3"] },
  "an empty array": { value: [], rules: ["FR-3"] },
  "beyond exact integers": { value: "99999999999999999999", rules: ["FR-4"] },
  null: { value: null, rules: ["FR-2"] },
  "an object": { value: {}, rules: ["FR-2"] },
  true: { value: true, rules: ["FR-2"] },
};

/** Ways to send "hello" under a head that is wrong. */
const SENDING: Record<string, (res: Misused) => void> = {
  "end()": (res) => res.end("hello"),
  "write() and end()": (res) => {
    res.write("hel");
    res.end("lo");
  },
};

for (const [what, { value, rules }] of Object.entries(LENGTHS)) {
  for (const [how, send] of Object.entries(SENDING)) {
    scenarios.push({
      name: `Content-Length ${what} by setHeader and ${how}`,
      rules,
      origin: (_req, res) => {
        res.setHeader("Content-Length", value);
        send(res);
      },
      shows: mended("hello"),
    });
  }
  scenarios.push({
    name: `Content-Length ${what} by writeHead`,
    rules,
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": value });
      res.end("hello");
    },
    shows: mended("hello"),
  });
}

export default group("framing: Content-Length", scenarios);
