export type Dataset = "httpRequestsAdaptiveGroups" | "httpRequestsAdaptive";

/** One node of a query: a dataset, which of its rows, and which of its fields. */
export interface Selection {
  readonly alias: string;
  readonly dataset: Dataset;
  /** Fields as the settings node names them: the path of a nested one is joined by `_` (`dimensions_clientIP`). */
  readonly fields: readonly string[];
  /** Filters beside the time range, in GraphQL. */
  readonly filters: readonly string[];
  readonly orderBy: readonly string[];
  readonly limit: number;
}

/** Filters of the usual time range, from inclusive to exclusive. */
export const IN_RANGE = ["datetime_geq: $from", "datetime_lt: $to"] as const;

const PARENTS = ["dimensions", "avg", "sum"];

/** Writes the query for some selections of one zone. @param variables - names and types beside `$zone` */
export function selectQuery(selections: readonly Selection[], variables: Readonly<Record<string, string>>): string {
  const declared = Object.entries({ zone: "string!", ...variables }).map(([name, type]) => `$${name}: ${type}`);
  return `query RayguardErrors(${declared.join(", ")}) {
  viewer {
    zones(filter: { zoneTag: $zone }) {
${selections.map(nodeOf).join("\n")}
    }
  }
}`;
}

function nodeOf({ alias, dataset, fields, filters, orderBy, limit }: Selection): string {
  return `      ${alias}: ${dataset}(limit: ${limit}, orderBy: [${orderBy.join(", ")}], filter: { ${filters.join(", ")} }) {
        ${selectionSetOf(fields)}
      }`;
}

function selectionSetOf(fields: readonly string[]): string {
  const parts = fields.filter((field) => parentOf(field) === undefined);
  for (const parent of PARENTS) {
    const children = fields.filter((field) => parentOf(field) === parent).map((field) => leafOf(field));
    if (children.length > 0) parts.push(`${parent} { ${children.join(" ")} }`);
  }
  return parts.join(" ");
}

function parentOf(field: string): string | undefined {
  return PARENTS.find((parent) => field.startsWith(`${parent}_`));
}

/** The name of a field without the path to it. */
export function leafOf(field: string): string {
  const parent = parentOf(field);
  return parent === undefined ? field : field.slice(parent.length + 1);
}

/** The query for what a zone may ask of its datasets. */
export function settingsQuery(datasets: readonly Dataset[]): string {
  const fields = "enabled availableFields maxPageSize maxNumberOfFields notOlderThan maxDuration";
  return `query RayguardSettings($zone: string!) {
  viewer {
    zones(filter: { zoneTag: $zone }) {
      settings {
${datasets.map((dataset) => `        ${dataset} { ${fields} }`).join("\n")}
      }
    }
  }
}`;
}
