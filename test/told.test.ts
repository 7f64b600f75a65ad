import { describe, expect, it, vi } from "vitest";
import { FRAMEWORKS, told } from "./helpers/told.js";
import { WAYS } from "./helpers/ways-to-end.js";

vi.setConfig({ testTimeout: 30_000 });

describe.each(FRAMEWORKS)("%s", (framework) => {
  describe.each(Object.entries(WAYS))("%s", (_name, way) => {
    it.each(["enforce", "report"] as const)("%s", async (mode) => {
      const bare = await told(framework, "bare", way);
      const seen = await told(framework, mode, way);
      expect(seen).toEqual(bare);
    });
  });
});
