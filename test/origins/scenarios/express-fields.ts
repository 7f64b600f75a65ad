import { type Aid, fault, group, type Misused, own, replaced, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (name: string, express: Scenario["express"], rest: Partial<Scenario> & Pick<Scenario, "shows">) =>
  scenarios.push({ name: `express: ${name}`, on: ["express5", "express4"], ...(express ? { express } : {}), ...rest });
/** A route at "/" of the app. */
const route =
  (handle: (req: Misused, res: Misused, aid: Aid) => unknown): NonNullable<Scenario["express"]> =>
  (app, aid) =>
    app.get("/", (req: Misused, res: Misused, next: Misused) => {
      const result = handle(req, res, aid) as Misused;
      // Express 4 does not look at promises; what is awaited here is the scenario's own preparation.
      if (typeof result?.catch === "function") result.catch(next);
    });

/** Fields by Express's own methods. */
const FIELDS: Record<string, (res: Misused) => unknown> = {
  "res.set with CR LF": (res) => res.set("x-y", "a\r\nb"),
  "res.cookie with a bad name": (res) => res.cookie("bad name", "1"),
  "res.cookie with CR LF in its path": (res) => res.cookie("a", "1", { path: "/\r\nx: 1" }),
  "res.cookie signed without a secret": (res) => res.cookie("a", "1", { signed: true }),
  "res.cookie with a bad maxAge": (res) => res.cookie("a", "1", { maxAge: "soon", expires: "never" }),
  "res.type of undefined": (res) => res.type(undefined),
  "res.vary of nothing": (res) => res.vary(),
  "res.links with CR LF": (res) => res.links({ next: "a\r\nb" }),
  "res.location of undefined": (res) => res.location(undefined),
  "res.attachment with a line break": (res) => res.attachment("a\nb.txt"),
  "res.append with a bad value": (res) => res.append("x-y", ["a", "b\r\nc"]),
  "res.set of a huge value": (res) => res.set("x-large", "x".repeat(200_000)),
  "res.set of a Content-Length that is wrong": (res) => res.set("content-length", "3"),
};
for (const [what, act] of Object.entries(FIELDS)) {
  add(
    `${what}, then res.send`,
    route((_req, res) => {
      act(res);
      res.send("hello");
    }),
    { shows: [fault, own("hello")], bothHandlers: true },
  );
}
add(
  "res.redirect outside ASCII",
  route((_req, res) => res.redirect("/日本語")),
  { shows: own(undefined, { status: 302 }), control: true },
);
add(
  "res.redirect with CR LF",
  route((_req, res) => res.redirect("/a\r\nset-cookie: stolen=1")),
  { shows: [own(undefined, { status: 302, fields: { "set-cookie": null } }), fault], control: true },
);
add(
  "res.redirect of undefined",
  route((_req, res) => res.redirect(undefined)),
  { shows: [fault, own(undefined, { status: 302 })] },
);
add(
  "res.format without a match",
  route((_req, res) => res.format({ "image/png": () => res.send("hello") })),
  { request: { headers: { accept: "text/html" } }, shows: replaced(406), control: true },
);
add(
  "res.send, then fields",
  route((_req, res) => {
    res.send("hello");
    res.set("x-y", "1");
  }),
  { shows: own("hello"), rules: ["MC-7"] },
);

export default group("express: fields", scenarios);
