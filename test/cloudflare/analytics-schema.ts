import { buildSchema, type GraphQLScalarType, type GraphQLSchema } from "graphql";

/** Fields of a row that can be asked for, filtered by and ordered by, and their types. */
export const FIELDS: Readonly<Record<string, "string" | "Time" | "uint16" | "uint64">> = {
  datetime: "Time",
  rayName: "string",
  edgeResponseStatus: "uint16",
  originResponseStatus: "uint16",
  clientRequestHTTPHost: "string",
  clientRequestPath: "string",
  clientRequestHTTPMethodName: "string",
  originResponseDurationMs: "uint64",
  coloCode: "string",
  cacheStatus: "string",
  requestSource: "string",
  sampleInterval: "uint64",
};

const names = Object.keys(FIELDS);
const dimensions = names.filter((name) => name !== "sampleInterval");
const fieldsOf = (of: readonly string[]) => of.map((name) => `${name}: ${FIELDS[name]}!`).join("\n");
const filtersOf = (of: readonly string[]) =>
  of
    .flatMap((name) => [
      ...["", "_neq", "_gt", "_geq", "_lt", "_leq"].map((suffix) => `${name}${suffix}: ${FIELDS[name]}`),
      `${name}_in: [${FIELDS[name]}!]`,
    ])
    .join("\n");
const ordersOf = (of: readonly string[]) => of.flatMap((name) => [`${name}_ASC`, `${name}_DESC`]).join("\n");

/** The part of Cloudflare's schema that is documented and concerns requests, with its names and its own scalars. */
const SDL = `
scalar Time
scalar string
scalar uint16
scalar uint64
scalar float64

type Query { viewer: viewer }
type viewer { zones(filter: ZoneFilter_InputObject, limit: uint64): [zone!] }
input ZoneFilter_InputObject { zoneTag: string, zoneTag_in: [string!] }

type zone {
  zoneTag: string!
  settings: Settings
  httpRequestsAdaptiveGroups(filter: ZoneHttpRequestsAdaptiveGroupsFilter_InputObject, limit: uint64!, orderBy: [ZoneHttpRequestsAdaptiveGroupsOrderBy!]): [ZoneHttpRequestsAdaptiveGroups!]!
  httpRequestsAdaptive(filter: ZoneHttpRequestsAdaptiveFilter_InputObject, limit: uint64!, orderBy: [ZoneHttpRequestsAdaptiveOrderBy!]): [ZoneHttpRequestsAdaptive!]!
}

type Settings {
  httpRequestsAdaptiveGroups: DatasetSettings
  httpRequestsAdaptive: DatasetSettings
}
type DatasetSettings {
  enabled: Boolean!
  availableFields: [string!]
  maxPageSize: uint64
  maxNumberOfFields: uint64
  notOlderThan: uint64
  maxDuration: uint64
}

type ZoneHttpRequestsAdaptive {
${fieldsOf(names)}
}
input ZoneHttpRequestsAdaptiveFilter_InputObject {
${filtersOf(names)}
}
enum ZoneHttpRequestsAdaptiveOrderBy {
${ordersOf(names)}
}

type ZoneHttpRequestsAdaptiveGroups { count: uint64!, avg: Average!, dimensions: Dimensions! }
type Average { sampleInterval: float64! }
type Dimensions {
${fieldsOf(dimensions)}
}
input ZoneHttpRequestsAdaptiveGroupsFilter_InputObject {
${filtersOf(dimensions)}
}
enum ZoneHttpRequestsAdaptiveGroupsOrderBy {
count_ASC
count_DESC
${ordersOf(dimensions)}
}
`;

export function analyticsSchema(): GraphQLSchema {
  const schema = buildSchema(SDL);
  const scalar = (name: string, isValue: (value: unknown) => boolean) => {
    const type = schema.getType(name) as GraphQLScalarType;
    const parse = (value: unknown) => {
      if (!isValue(value)) throw new TypeError(`error parsing args: ${JSON.stringify(value)} is no ${name}`);
      return value;
    };
    type.parseValue = parse;
    type.parseLiteral = (node) =>
      parse(node.kind === "IntValue" ? Number(node.value) : "value" in node ? node.value : null);
  };
  scalar("Time", (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(String(value)));
  scalar("string", (value) => typeof value === "string");
  for (const name of ["uint16", "uint64"]) scalar(name, (value) => Number.isInteger(value) && (value as number) >= 0);
  return schema;
}
