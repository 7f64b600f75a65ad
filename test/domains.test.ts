import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exchange } from "../src/testing/index.js";
import type { DomainServer, DomainWay } from "./domains.js";
import { program } from "./helpers/program.js";

/** Express answers what its handlers throw itself. */
const BY_EXPRESS: DomainWay[] = ["rejects"];

const WAYS: DomainWay[] = [
  "throws",
  "throws behind enter()",
  "throws inside a deaf one",
  "throws in a deaf one inside",
  "throws in its listener, inside another",
  "throws in a listener of a response in it",
  "throws in such a listener later on",
  "has an error of a response in it",
  ...BY_EXPRESS,
];

const GUARDINGS = ["bare", "report", "enforce"] as const;

interface Origin {
  readonly child: ChildProcess;
  readonly ports: Readonly<Record<DomainServer, number>>;
}

const origins = {} as Record<(typeof GUARDINGS)[number], Origin>;

beforeAll(async () => {
  const path = await program(new URL("./domains.ts", import.meta.url));
  const start = async (guarding: (typeof GUARDINGS)[number]) => {
    const child = fork(path, [guarding], { execArgv: [], env: { ...process.env, NODE_NO_WARNINGS: "1" } });
    const [ports] = (await once(child, "message")) as [Origin["ports"]];
    origins[guarding] = { child, ports };
  };
  await Promise.all(GUARDINGS.map(start));
});

afterAll(() => {
  for (const { child } of Object.values(origins)) child.kill("SIGKILL");
});

const pathOf = (what: string) => `/${encodeURIComponent(what)}`;

async function overHttp1(port: number, ...paths: string[]): Promise<string[]> {
  const octets = paths.map((path) => `GET ${pathOf(path)} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
  const { responses } = await exchange({ port }, octets, { keepOpenMs: 1 });
  return responses.map(({ status, content }) => `${status} ${content}`);
}

async function overHttp2(port: number, path: string): Promise<string[]> {
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({ ":path": pathOf(path) });
  const [headers] = (await once(stream, "response")) as [{ ":status": number }];
  let content = "";
  for await (const chunk of stream) content += String(chunk);
  session.destroy();
  return [`${headers[":status"]} ${content}`];
}

const EACH = (["HTTP/1.1", "HTTP/2", "Express 4"] as const).flatMap((server) =>
  (server === "Express 4" ? BY_EXPRESS : WAYS).map((way) => [server, way] as const),
);

it.each(EACH)("a domain is told as without a guard, over %s, of an app that %s", async (server, way) => {
  const seen: object[] = [];
  for (const guarding of GUARDINGS) {
    const { child, ports } = origins[guarding];
    const got = await (server === "HTTP/2" ? overHttp2 : overHttp1)(ports[server], way);
    child.send("what was told?");
    const [told] = (await once(child, "message")) as [string[]];
    seen.push({ got, told });
  }
  const [bare, report, enforce] = seen;
  expect(bare).toMatchObject({ got: ["418 from the domain"] });
  expect(report).toEqual(bare);
  expect(enforce).toEqual(bare);
});

it("answers the requests behind one whose handler has thrown in a domain", async () => {
  const port = origins.enforce.ports["HTTP/1.1"];
  const octets = [
    `POST ${pathOf("throws")} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`,
    `GET ${pathOf("is one active?")} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ];
  const { responses } = await exchange({ port }, octets.join(""), { keepOpenMs: 1 });
  expect(responses.map(({ content }) => content.toString())).toEqual(["from the domain", "false"]);
});

it("leaves no domain active behind one that nobody listens to", async () => {
  const [first, ...others] = await overHttp1(
    origins.enforce.ports["HTTP/1.1"],
    "throws in a deaf one",
    "is one active?",
  );
  expect(first).toMatch(/^500 /);
  expect(others).toEqual(["200 false"]);
});

it.each(GUARDINGS)("enters the domain of a server for each of its requests: %s", async (guarding) => {
  expect(await overHttp1(origins[guarding].ports["in a domain"], "")).toEqual(["200 true"]);
});
