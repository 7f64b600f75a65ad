import { createServer } from "node:http";
import net from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard, ERROR_CODES, RayguardError, type RayguardErrorCode } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

function thrown(act: () => unknown): RayguardError {
  try {
    act();
  } catch (error) {
    return error as RayguardError;
  }
  throw new Error("nothing was thrown");
}

describe("a RayguardError", () => {
  it("is an Error with a code, a name and a cause", () => {
    const cause = new Error("below");
    const error = new RayguardError("ERR_RAYGUARD_DEADLINE", "no answer", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "RayguardError", code: "ERR_RAYGUARD_DEADLINE", message: "no answer", cause });
  });

  it.each(Object.entries(ERROR_CODES))("explains %s in one sentence", (code, meaning) => {
    expect(code).toMatch(/^ERR_RAYGUARD_[A-Z]+(?:_[A-Z]+)*$/);
    expect(meaning).toMatch(/^[a-z][^.]*(?::[^.]*)?[^.]$/);
  });
});

describe("every code", () => {
  const provoked: Partial<Record<RayguardErrorCode, () => unknown>> = {
    ERR_RAYGUARD_INVALID_OPTION: () => createGuard({ holdBackMs: -1 }),
    ERR_RAYGUARD_UNKNOWN_OPTION: () => createGuard({ holdback: 1 } as never),
    ERR_RAYGUARD_INVALID_ARGUMENT: () => createGuard({ logger: false }).listener(undefined as never),
    ERR_RAYGUARD_UNSUPPORTED_SERVER: () => createGuard({ logger: false }).attach({} as never),
  };

  it.each(Object.entries(provoked))("%s is thrown for its cause", (code, act) => {
    const error = thrown(act);
    expect(error).toBeInstanceOf(RayguardError);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/\.$/);
  });
});

describe("attach()", () => {
  it.each([null, undefined, 5, "server", {}, new net.Socket(), net.createServer(), () => {}])("refuses %o", (value) => {
    expect(thrown(() => createGuard({ logger: false }).attach(value as never)).code).toBe(
      "ERR_RAYGUARD_UNSUPPORTED_SERVER",
    );
  });

  it("returns the server, and changes nothing the second time", () => {
    const guard = createGuard({ logger: false });
    const server = createServer();
    expect(guard.attach(server)).toBe(server);
    const { emit } = server;
    expect(guard.attach(server)).toBe(server);
    expect(server.emit).toBe(emit);
  });
});

describe("health.register()", () => {
  const check = () => true;

  it.each<[name: unknown, check: unknown]>([
    ["", check],
    ["name", "no function"],
    [1, check],
  ])("refuses (%j, %o)", (name, given) => {
    const { health } = createGuard({ logger: false });
    expect(thrown(() => health.register(name as string, given as never)).code).toBe("ERR_RAYGUARD_INVALID_ARGUMENT");
  });
});

describe("an error of the app", () => {
  it("stays the app's: the incident carries the very same one", async () => {
    const error = new Error("mine");
    const seen: unknown[] = [];
    const note = (record: object) => seen.push((record as { err?: unknown }).err);
    const guard = createGuard({ logger: { info() {}, warn: note, error: note } });
    const server = createServer(
      guard.listener(() => {
        throw error;
      }),
    );
    await exchange(await listen(guard.attach(server)), { path: "/" });
    expect(seen).toEqual([error]);
  });

  it.each([undefined, null, "text", 5, Symbol("s"), Object.create(null)])("may be %o", async (error) => {
    const guard = createGuard({ logger: false });
    const server = createServer(
      guard.listener(() => {
        throw error;
      }),
    );
    const { valid, responses } = await exchange(await listen(guard.attach(server)), [{ path: "/1" }, { path: "/2" }]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([500, 500]);
  });
});
