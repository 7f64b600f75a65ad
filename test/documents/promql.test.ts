import { createServer } from "node:http";
import { parser } from "@prometheus-io/lezer-promql";
import { Registry } from "prom-client";
import { beforeAll, describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { collectInto } from "../../src/telemetry/prometheus.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { snippetsIn } from "./documents.js";

/** Each line is a query. */
const queries = snippetsIn("promql").flatMap(({ document, text }) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((query) => ({ document, query: query.replace(/\s+#.*$/, "") })),
);

/** What a scrape of a guarded server has, in which a response was replaced and one was torn down. */
let scrape = "";

beforeAll(async () => {
  const guard = createGuard({ logger: false, shutdown: false, holdBackOctets: 0 });
  const registry = new Registry();
  const undo = collectInto(registry, guard);
  const server = guard.attach(
    createServer(
      guard.listener((request, response) => {
        if (request.url === "/cut") response.write("a piece");
        response.destroy();
      }),
    ),
  );
  await listen(server);
  expect((await exchange(server, { path: "/" })).responses[0]?.status).toBe(500);
  expect((await exchange(server, { path: "/cut" })).valid).toBe(false);
  scrape = await registry.metrics();
  undo();
  guard.close();
  server.close();
});

interface Selector {
  metric: string;
  readonly labels: string[];
  readonly matchers: string[];
}

/** The metrics that a query asks for, with the labels that it matches, and those that it groups by. */
function read(query: string): { selectors: Selector[]; grouped: string[] } {
  const selectors: Selector[] = [];
  const grouped: string[] = [];
  parser.parse(query).iterate({
    enter({ name, type, from, to, node }) {
      const text = query.slice(from, to);
      if (type.isError) throw new Error(`not PromQL at ${from}: ${query}`);
      if (name === "VectorSelector") selectors.push({ metric: "", labels: [], matchers: [] });
      const selector = selectors.at(-1);
      if (name === "Identifier" && selector !== undefined) selector.metric = text;
      if (name === "UnquotedLabelMatcher") selector?.matchers.push(text);
      if (name !== "LabelName") return;
      if (node.parent?.name === "GroupingLabels") grouped.push(text);
      else selector?.labels.push(text);
    },
  });
  return { selectors, grouped };
}

/** Samples of a metric, as text in braces. */
const samplesOf = (metric: string) =>
  [...scrape.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)]
    .filter(([, name]) => name === metric)
    .map(([, , labels = ""]) => labels);

describe("PromQL of the documents", () => {
  it("is found", () => expect(queries.length).toBeGreaterThan(1));

  it.each(queries)("$document: $query", ({ query }) => {
    const { selectors, grouped } = read(query);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { metric, labels, matchers } of selectors) {
      const samples = samplesOf(metric);
      expect(samples, metric).not.toEqual([]);
      for (const label of [...labels, ...grouped])
        expect(samples.join(), `${label} of ${metric}`).toMatch(new RegExp(`\\b${label}="`));
      const equal = matchers.filter((matcher) => /^\w+="/.test(matcher));
      for (const matcher of equal) expect(samples.join(), metric).toContain(matcher);
    }
  });

  it("would be refused with another metric, another label or another syntax", () => {
    expect(samplesOf("rayguard_prevented")).toEqual([]);
    expect(read('sum by (code) (a{b="c"})')).toEqual({
      selectors: [{ metric: "a", labels: ["b"], matchers: ['b="c"'] }],
      grouped: ["code"],
    });
    expect(() => read("sum(rate(a[5m])")).toThrow("not PromQL");
  });
});
