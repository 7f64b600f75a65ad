import { describe, expect, it, vi } from "vitest";
import { FRAMEWORKS, told } from "./helpers/told.js";
import { WAYS } from "./helpers/ways-to-end.js";

vi.setConfig({ testTimeout: 30_000 });

describe.each(FRAMEWORKS)("%s", (framework) => {
  // Most of the time goes by in waiting for what never comes.
  it.concurrent.each(Object.entries(WAYS))("%s", async (_name, way) => {
    const modes = ["bare", "enforce", "report"] as const;
    const [bare, enforce, report] = await Promise.all(modes.map((mode) => told(framework, mode, way)));
    expect(enforce, "enforce").toEqual(bare);
    expect(report, "report").toEqual(bare);
  });
});
