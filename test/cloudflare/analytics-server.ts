import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import {
  type DocumentNode,
  type FieldNode,
  GraphQLError,
  type GraphQLResolveInfo,
  graphql,
  parse,
  visit,
} from "graphql";
import { analyticsSchema } from "./analytics-schema.js";

/** A request that Cloudflare has recorded. */
export type Row = Readonly<Record<string, string | number>> & {
  readonly datetime: string;
  readonly rayName: string;
  readonly edgeResponseStatus: number;
};

export interface Plan {
  readonly enabled?: readonly string[];
  /** Fields in lower case that are refused. */
  readonly refused?: readonly string[];
  /** Whether the settings node lists what is not refused. */
  readonly lists?: boolean;
  readonly maxPageSize?: number;
  readonly maxNumberOfFields?: number;
  readonly notOlderThan?: number;
  readonly maxDuration?: number;
  /** What the settings node says instead of what is enforced. */
  readonly told?: Readonly<Record<string, unknown>>;
  readonly hasSettings?: boolean;
  /** Whether rows can be ordered by their Ray ID. */
  readonly ordersRays?: boolean;
  /** Queries until the budget is used up; it is full again after `refillMs`. */
  readonly budget?: number;
  readonly refillMs?: number;
}

/** The free plan, as users have measured it. */
export const FREE = { maxPageSize: 100, maxNumberOfFields: 30, notOlderThan: 691_200, maxDuration: 86_400 } as const;

export const ZONE = "023e105f4ecef8ad9ca31a8372d0c353";
export const TOKEN = "v1.0-secret-token-of-the-test";

type Args = { readonly filter?: Filter; readonly limit: number; readonly orderBy?: readonly string[] };
type Filter = Readonly<Record<string, string | number | readonly (string | number)[]>>;

/** Cloudflare's GraphQL Analytics API, as far as it is documented, over rows of the test. */
export class AnalyticsServer {
  readonly queries: string[] = [];
  /** Answers instead of the API, for the nth query from 0; undefined leaves it to the API. */
  instead: (n: number, request: IncomingMessage, response: ServerResponse) => boolean | undefined = () => undefined;
  rows: readonly Row[] = [];
  plan: Plan = FREE;
  readonly #schema = analyticsSchema();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #budget = Number.NaN;
  #received = 0;

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/client/v4/graphql`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  reset(plan: Plan = FREE, rows: readonly Row[] = []): void {
    this.plan = plan;
    this.rows = rows;
    this.queries.length = 0;
    this.instead = () => undefined;
    this.#budget = plan.budget ?? Number.POSITIVE_INFINITY;
    this.#received = 0;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.instead(this.#received++, request, response) !== undefined) return;
    const say = (status: number, body: object) => {
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    };
    const refuse = (message: string, code?: string) =>
      say(200, {
        data: null,
        errors: [{ message, path: null, extensions: { timestamp: new Date(), ...(code ? { code } : {}) } }],
      });
    if (request.method !== "POST" || request.headers["content-type"] !== "application/json") return say(400, {});
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      return say(403, {
        success: false,
        errors: [{ code: 10000, message: `Authentication error for ${request.headers.authorization}` }],
      });
    }
    if (this.#budget <= 0) return refuse("rate limiter budget depleted, please try again after 5 minutes", "budget");
    if (--this.#budget === 0)
      setTimeout(() => (this.#budget = this.plan.budget ?? 0), this.plan.refillMs ?? 1e9).unref();
    const { query, variables } = (await json(request)) as { query: string; variables: Record<string, unknown> };
    this.queries.push(query);
    const refusal = this.#refusal(query);
    if (refusal !== undefined) return refuse(refusal, "authz");
    const root = { viewer: { zones: (args: { filter: { zoneTag: string } }) => this.#zones(args.filter.zoneTag) } };
    const result = await graphql({ schema: this.#schema, source: query, rootValue: root, variableValues: variables });
    // One error leaves nothing of the answer.
    if (result.errors) return say(200, { data: null, errors: result.errors });
    say(200, result);
  }

  /** One refused field refuses the query. */
  #refusal(query: string): string | undefined {
    const { refused = [] } = this.plan;
    let found: string | undefined;
    const document: DocumentNode = parse(query);
    const look = (name: string) => {
      const field = refused.find((each) => each === name.toLowerCase());
      if (field !== undefined) found ??= `zone '${ZONE}' does not have access to the field '${field}'`;
    };
    visit(document, {
      Field: (node: FieldNode) => look(node.name.value),
      ObjectField: (node) => look(node.name.value.replace(/_(?:neq|gt|geq|lt|leq|in)$/, "")),
    });
    return found;
  }

  #zones(tag: string) {
    if (tag !== ZONE) return [];
    const settings = {
      httpRequestsAdaptiveGroups: () => this.#settings("httpRequestsAdaptiveGroups"),
      httpRequestsAdaptive: () => this.#settings("httpRequestsAdaptive"),
    };
    return [
      {
        zoneTag: tag,
        settings: this.plan.hasSettings === false ? null : settings,
        httpRequestsAdaptiveGroups: (args: Args, _: unknown, info: GraphQLResolveInfo) => this.#groups(args, info),
        httpRequestsAdaptive: (args: Args, _: unknown, info: GraphQLResolveInfo) => this.#single(args, info),
      },
    ];
  }

  #settings(dataset: string) {
    const { refused = [], lists = true, told = {}, enabled } = this.plan;
    const { maxPageSize, maxNumberOfFields, notOlderThan, maxDuration } = { ...FREE, ...this.plan };
    const type = this.#schema.getType(dataset === "httpRequestsAdaptive" ? "ZoneHttpRequestsAdaptive" : "Dimensions");
    const names = Object.keys((type as { getFields(): object } | undefined)?.getFields() ?? {});
    const paths =
      dataset === "httpRequestsAdaptive"
        ? names
        : ["count", "avg_sampleInterval", ...names.map((name) => `dimensions_${name}`)];
    const isListed = (path: string) => !refused.includes((path.split("_").at(-1) as string).toLowerCase());
    return {
      enabled: enabled?.includes(dataset) ?? true,
      availableFields: lists ? paths.filter(isListed) : paths,
      ...{ maxPageSize, maxNumberOfFields, notOlderThan, maxDuration },
      ...told,
    };
  }

  #matching({ filter = {}, limit }: Args, info: GraphQLResolveInfo): Row[] {
    const { maxPageSize, maxNumberOfFields, notOlderThan, maxDuration } = { ...FREE, ...this.plan };
    if (limit < 1 || limit > maxPageSize) {
      throw new GraphQLError(`limit must be positive number and not greater than ${maxPageSize}`);
    }
    if (leavesOf(info) > maxNumberOfFields)
      throw new GraphQLError(`number of fields can't be more than ${maxNumberOfFields}`);
    const at = (...names: string[]) =>
      names.map((name) => Date.parse(String(filter[name]))).find((ms) => !Number.isNaN(ms));
    const from = at("datetime", "datetime_geq", "datetime_gt");
    const to = at("datetime", "datetime_leq", "datetime_lt");
    if (from === undefined || to === undefined) throw new GraphQLError("query must have a time range");
    if (from < Date.now() - notOlderThan * 1_000)
      throw new GraphQLError(`cannot request data older than ${spell(notOlderThan)}`);
    if (to - from > maxDuration * 1_000) {
      throw new GraphQLError(
        `query time range is too large: cannot request a time range wider than ${spell(maxDuration)}, but your query time range spans ${spell((to - from) / 1_000)}`,
      );
    }
    return this.rows.filter((row) => Object.entries(filter).every(([name, value]) => matches(row, name, value)));
  }

  #single(args: Args, info: GraphQLResolveInfo) {
    if (this.plan.ordersRays === false && args.orderBy?.some((order) => order.startsWith("rayName"))) {
      throw new GraphQLError('error parsing args for "httpRequestsAdaptive": orderBy: unknown enum value');
    }
    // What is equal comes in another order each time.
    const rows = this.#matching(args, info).sort(() => Math.random() - 0.5);
    return rows.sort(by(args.orderBy)).slice(0, args.limit);
  }

  #groups(args: Args, info: GraphQLResolveInfo) {
    const selected = info.fieldNodes[0]?.selectionSet?.selections as readonly FieldNode[];
    const names = selected
      .filter((node) => node.name.value === "dimensions")
      .flatMap((node) => node.selectionSet?.selections ?? [])
      .map((each) => (each as FieldNode).name.value);
    const groups = new Map<string, { count: number; sampled: number; dimensions: Record<string, unknown> }>();
    for (const row of this.#matching(args, info)) {
      const dimensions = Object.fromEntries(names.map((name) => [name, row[name]]));
      const key = JSON.stringify(dimensions);
      const group = groups.get(key) ?? { count: 0, sampled: 0, dimensions };
      group.count += Number(row.sampleInterval);
      group.sampled++;
      groups.set(key, group);
    }
    return [...groups.values()]
      .sort((a, b) => b.count - a.count)
      .slice(0, args.limit)
      .map(({ count, sampled, dimensions }) => ({ count, dimensions, avg: { sampleInterval: count / sampled } }));
  }
}

function matches(row: Row, filter: string, value: Filter[string]): boolean {
  const [, name, operator] = /^(.*?)(?:_(neq|gt|geq|lt|leq|in))?$/.exec(filter) as unknown as [string, string, string?];
  const own = name === "datetime" ? Date.parse(row.datetime) : (row[name] as string | number);
  if (operator === "in") return (value as readonly unknown[]).includes(own);
  const other = name === "datetime" ? Date.parse(value as string) : (value as string | number);
  switch (operator) {
    case "neq":
      return own !== other;
    case "gt":
      return own > other;
    case "geq":
      return own >= other;
    case "lt":
      return own < other;
    case "leq":
      return own <= other;
    default:
      return own === other;
  }
}

function by(orders: readonly string[] = []) {
  const keys = orders.map((order) => /^(.*)_(ASC|DESC)$/.exec(order) as unknown as [string, string, string]);
  return (a: Row, b: Row) => {
    for (const [, name, direction] of keys) {
      const [x, y] = [a[name] as string, b[name] as string];
      if (x !== y) return x < y === (direction === "ASC") ? -1 : 1;
    }
    return 0;
  };
}

function leavesOf(info: GraphQLResolveInfo): number {
  let leaves = 0;
  visit(info.fieldNodes[0] as FieldNode, { Field: (node) => void (node.selectionSet === undefined && leaves++) });
  return leaves;
}

function spell(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const parts = [Math.floor(days / 7) ? `${Math.floor(days / 7)}w` : "", days % 7 ? `${days % 7}d` : ""];
  return parts.join("") || `${Math.round(seconds)}s`;
}
