import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { epochMs, type TraceNote } from "./messages.js";

/** A stream writes hundreds of times; the first few tell the story. */
const MAX_NOTES = 6;

/**
 * Notes what the app does to its responses. As an app's own instrumentation would, it wraps the methods of the response
 * outside of the guard, so that both origin servers are watched in the same way.
 */
export function watchAnswers(
  tell: (note: TraceNote) => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  const note = (request: IncomingMessage, event: TraceNote["event"], text: string): void => {
    const ray = request.headers["cf-ray"];
    tell({ at: epochMs(), ray: typeof ray === "string" ? ray : "", event, text });
  };
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    note(request, "received", `${request.method} ${request.url?.slice(0, 80)}`);
  });
  subscribe("http.server.response.finish", (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    note(request, "handed over", `the whole ${response.statusCode} is handed to the operating system`);
  });
  return (request, response) => {
    let notes = 0;
    let depth = 0;
    const wrap = (name: "write" | "end" | "destroy", event: TraceNote["event"]): void => {
      const original = response[name] as (...args: unknown[]) => unknown;
      const wrapper = function (this: ServerResponse, ...args: unknown[]): unknown {
        if (depth === 0 && ++notes <= MAX_NOTES) note(request, event, described(name, args[0]));
        depth++;
        try {
          return original.apply(this, args);
        } finally {
          depth--;
        }
      };
      Object.defineProperty(wrapper, "name", { value: name });
      response[name] = wrapper as never;
    };
    wrap("write", "written");
    wrap("end", "ended");
    wrap("destroy", "destroyed");
  };
}

function described(name: string, chunk: unknown): string {
  const octets = typeof chunk === "string" ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0;
  return `the app calls ${name}(${octets > 0 ? `${octets} octets` : ""})`;
}
