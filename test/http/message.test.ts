import { describe, expect, it } from "vitest";
import { announcesContent } from "../../src/http/message.js";

describe("content of a request", () => {
  it.each([
    [{}, false],
    [{ "content-length": "0" }, false],
    [{ "content-length": "1" }, true],
    [{ "transfer-encoding": "chunked" }, true],
    [{ "transfer-encoding": "chunked", "content-length": "0" }, true],
    [{ "content-type": "text/plain" }, false],
  ])("is announced by %j: %s", (headers, announced) => {
    expect(announcesContent(headers)).toBe(announced);
  });
});
