import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { ROOT } from "./documents.js";
import { blocks, recipe, skipped } from "./recipe-programs.js";

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
}

const SCHEMAS = join(ROOT, ".ci/runtimes/node_modules/kubernetes-models/_schemas");
const load = createRequire(import.meta.url);
const why = skipped(' from "kubernetes-models"');

type Validate = ((data: object) => boolean) & { errors?: readonly { instancePath: string; params: object }[] | null };

const upper = (word: string) => `${word[0]?.toUpperCase()}${word.slice(1)}`;

/** What the API of Kubernetes has against a resource, and the fields of it that it does not know. */
function faultsOf(resource: Resource): string[] {
  const [version = "", group = "core"] = resource.apiVersion.split("/").reverse();
  const name = `IoK8sApi${upper(group)}${upper(version)}${resource.kind}`;
  const { validate } = load(join(SCHEMAS, `${name}.js`)) as { validate: Validate };
  const asked = new Set<string>();
  if (!validate(watched(resource, "", asked)))
    return (validate.errors ?? []).map(({ instancePath, params }) => `${instancePath} ${JSON.stringify(params)}`);
  // It takes what it does not know, and never looks at it.
  return fieldsOf(resource, "").filter((field) => !asked.has(field));
}

/** Notes which fields somebody looks at. */
function watched<T>(value: T, path: string, asked: Set<string>): T {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, name, receiver) {
      asked.add(`${path}/${String(name)}`);
      return watched(Reflect.get(target, name, receiver) as unknown, `${path}/${String(name)}`, asked);
    },
  });
}

function fieldsOf(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [`${path}/${name}`, ...fieldsOf(inner, `${path}/${name}`)]);
}

const MANIFESTS: readonly (readonly [where: string, text: string])[] = [
  ["the recipe", blocks(recipe("Kubernetes"), "yaml")[0] ?? ""],
  ["deploy/kubernetes/app.yaml", readFileSync(join(ROOT, "deploy/kubernetes/app.yaml"), "utf8")],
];

const resources = MANIFESTS.flatMap(([where, text]) =>
  parseAllDocuments(text).map((each) => {
    const resource = each.toJS() as Resource;
    return { where, kind: resource.kind, resource };
  }),
);

describe(`the schema of Kubernetes${why}`, () => {
  it("is asked about five resources", () => expect(resources).toHaveLength(5));

  it.skipIf(why !== "").each(resources)("has nothing against the $kind of $where", ({ resource }) => {
    expect(faultsOf(resource)).toEqual([]);
  });

  it.skipIf(why !== "")("has something against a name, a type and a missing part", () => {
    const deployment = () =>
      structuredClone(resources[0]?.resource) as unknown as Record<string, Record<string, object>>;
    const named = deployment();
    (named.spec as Record<string, unknown>).replica = 2;
    expect(faultsOf(named as never)).toEqual(["/spec/replica"]);
    const typed = deployment();
    (typed.spec as Record<string, unknown>).replicas = "two";
    expect(faultsOf(typed as never).join()).toMatch(/replicas/);
    const missing = deployment();
    delete (missing.spec as Record<string, unknown>).selector;
    expect(faultsOf(missing as never).join()).toMatch(/selector/);
  });
});
