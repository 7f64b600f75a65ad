import { type ExchangeRequest, type ExchangeResult, exchange } from "rayguard/testing";
import { delay } from "../../causes/cause.js";
import { DirectWay } from "../../client/direct-way.js";
import { seenAtEdge, seenDirectly } from "../../client/seen.js";
import type { Destination, Sighting, Way } from "../../client/way.js";
import { EDGE_SECRET } from "../../edge/secret.js";
import type { RequestForm } from "../shared/model.js";

/** Longer than any read timeout of the edge, which answers every request. */
const PATIENCE_MS = 20_000;

/** What the edge sets and no visitor can choose; here the page does. */
const EDGE_FIELDS = /^(?:cf-ray|cf-connecting-ip)$/i;

/** One request of a run, and what came back. */
export interface Visit {
  readonly sighting: Sighting;
  readonly result: ExchangeResult | undefined;
}

export interface VisitorOptions {
  readonly form: RequestForm;
  /** Path of the cause: the request that the form describes. Others of the same probe are left alone. */
  readonly path: string;
  /** `undefined`: straight to the origin server. */
  readonly edgePort: number | undefined;
  /** 16 hexadecimal digits for a request that the form does not describe. */
  readonly newRay: () => string;
  readonly readTimeoutMs: number;
}

/** Asks as the form says, through the edge or in its place, and keeps what came back. */
export class Visitor implements Way {
  readonly visits: Visit[] = [];
  readonly #options: VisitorOptions;
  /** The form's Ray ID has been given to a request: each names one. */
  #isRayTaken = false;

  constructor(options: VisitorOptions) {
    this.#options = options;
  }

  async ask(destination: Destination, request: ExchangeRequest): Promise<Sighting> {
    const { edgePort, readTimeoutMs, form } = this.#options;
    const { ray, sent } = this.#shaped(request);
    if (edgePort !== undefined) {
      const path = `/${destination.name}${sent.path}`;
      const result = await exchange({ port: edgePort }, { ...sent, path }, { timeoutMs: PATIENCE_MS, keepOpenMs: 0 });
      return this.#keep({ seen: seenAtEdge(result.responses[0]), ray }, result);
    }
    const warmUp = form.keptAlive ? [{ path: "/", headers: persistent(form) }] : [];
    const options = { timeoutMs: readTimeoutMs };
    const result = await exchange({ port: destination.port }, [...warmUp, sent] as ExchangeRequest[], options);
    const response = result.responses[warmUp.length];
    const problems = response === undefined ? result.problems : response.problems;
    const octets = result.octets.subarray(response?.start ?? 0);
    return this.#keep({ seen: seenDirectly(response, problems, octets, result.timedOut), ray }, result);
  }

  async askInTurn(
    destination: Destination,
    requests: readonly [ExchangeRequest, ExchangeRequest],
    pauseMs: number,
  ): Promise<readonly [Sighting, Sighting]> {
    const { edgePort, readTimeoutMs } = this.#options;
    if (edgePort === undefined) {
      const sightings = await new DirectWay(readTimeoutMs).askInTurn(destination, requests, pauseMs);
      for (const sighting of sightings) this.#keep(sighting, undefined);
      return sightings;
    }
    const before = await this.ask(destination, requests[0]);
    await delay(pauseMs);
    // workerd takes the connection that it used last out of its pool.
    return [before, await this.ask(destination, requests[1])];
  }

  #keep(sighting: Sighting, result: ExchangeResult | undefined): Sighting {
    this.visits.push({ sighting, result });
    return sighting;
  }

  /** The request as the form wants it, where it is the one that the form describes. */
  #shaped(request: ExchangeRequest): { ray: string; sent: ExchangeRequest & { path: string } } {
    const { form, path, newRay, edgePort } = this.#options;
    const isDescribed = request.path === path;
    const own = Object.entries(request.headers ?? {}) as [string, string][];
    const names = new Set(own.map(([name]) => name.toLowerCase()));
    const formed = isDescribed ? form.headers.filter(([name]) => !names.has(name.toLowerCase())) : [];
    const fields = [...formed, ...own] as [string, string][];
    if (isDescribed && this.#isRayTaken) this.#replaceRay(fields);
    else if (isDescribed) this.#isRayTaken = true;
    const mayLackRay = isDescribed && edgePort === undefined;
    if (!mayLackRay && !fields.some(([name]) => /^cf-ray$/i.test(name))) fields.push(["CF-RAY", `${newRay()}-AMS`]);
    const cfRay = fields.find(([name]) => /^cf-ray$/i.test(name))?.[1] ?? "";
    // In the place of the edge, unless the probe is somebody who goes around it and says himself who he is.
    const secret = names.has("cf-connecting-ip") ? [] : [[EDGE_SECRET.header, EDGE_SECRET.value]];
    const headers =
      edgePort === undefined
        ? [...fields, ...secret, ...(form.version === "1.0" && form.keptAlive ? [["Connection", "keep-alive"]] : [])]
        : fields.map(([name, value]) => (EDGE_FIELDS.test(name) ? [`Playground-${name}`, value] : [name, value]));
    // A request that has content by its nature keeps its method: fetch(), and so workerd, sends none with GET.
    const method = request.body !== undefined && /^(?:GET|HEAD)$/.test(form.method) ? request.method : form.method;
    const described = isDescribed ? { path: form.path, method } : {};
    const version = edgePort === undefined && isDescribed ? form.version : "1.1";
    const sent = {
      ...request,
      path: request.path ?? "/",
      ...described,
      headers: headers as [string, string][],
      version,
    };
    return { ray: cfRay.slice(0, 16), sent: sent as ExchangeRequest & { path: string } };
  }

  #replaceRay(fields: [string, string][]): void {
    const index = fields.findIndex(([name]) => /^cf-ray$/i.test(name));
    if (index !== -1) fields[index] = ["CF-RAY", `${this.#options.newRay()}-AMS`];
  }
}

function persistent({ version }: RequestForm): Record<string, string> {
  return version === "1.0" ? { Connection: "keep-alive" } : {};
}
