import type { Probe } from "../../causes/cause.js";
import { GROUPS } from "../../causes/groups.js";
import { BURST } from "../../causes/process.js";
import { CLIENTS } from "../../deaths/crowd.js";
import { DEATHS } from "../../deaths/deaths.js";
import type { CauseInfo } from "../shared/model.js";
import { DEATH_EXPLANATIONS } from "./death-explanations.js";
import { EXPLANATIONS } from "./explanations.js";
import { causeNamed, routeOf } from "./run.js";

/** Probes whose request is a POST: it has content, or it must not be sent again behind the visitor's back. */
const POSTS: readonly (Probe | undefined)[] = ["expect", "idle", "next", "deploy"];

const PROVOKED: Readonly<Partial<Record<Probe, string>>> = {
  bystander: "one request while another one is being answered",
  next: "two requests, the second right behind the first on the same connection",
  idle: "two requests on one connection, with a pause in between",
  upgrade: "with Upgrade: websocket",
  expect: "with Expect: 100-continue",
  large: "with a cookie of 20 kB",
  burst: `${BURST.requests} requests at once`,
  deploy: "four requests under way, SIGTERM, one more",
  around: "by a client that goes around the edge",
};

/** Every cause, group by group. */
export function causeList(): CauseInfo[] {
  return GROUPS.flatMap(({ title: group, names }) =>
    names.map((name): CauseInfo => {
      const cause = causeNamed(name);
      const explanation = EXPLANATIONS[name];
      if (cause === undefined || explanation === undefined) throw new Error(`There is no cause "${name}" to list.`);
      const { title, probe, mayBreak } = cause;
      return {
        name,
        title,
        group,
        ...explanation,
        method: POSTS.includes(probe) ? "POST" : "GET",
        path: routeOf(cause),
        isDirect: probe === "around",
        mayBreak: mayBreak === true,
        probe: probe === undefined ? null : (PROVOKED[probe] ?? null),
        isDeath: false,
      };
    }),
  );
}

/** What happens to a process under load, as a further group. */
export function deathList(): CauseInfo[] {
  return DEATHS.map(({ name, title }): CauseInfo => {
    const explanation = DEATH_EXPLANATIONS[name];
    if (explanation === undefined) throw new Error(`Nobody explains the death "${name}".`);
    return {
      name,
      title: `the process ${title}`,
      group: "When the process itself dies",
      ...explanation,
      method: "GET",
      path: "/",
      isDirect: true,
      mayBreak: true,
      probe: `while ${CLIENTS} clients, with a kept-alive connection each, ask on and on`,
      isDeath: true,
    };
  });
}
