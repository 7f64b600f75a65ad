// Started as a process of its own: an origin server whose app, or a library in it, listens for what ends the process.

import http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { createGuard, type GuardOptions } from "../../src/index.js";

const require = createRequire(import.meta.url);
const [, , , kind, json] = process.argv;
const isGuarded = kind === "guarded";
const options = { logger: false, lint: false, ...(JSON.parse(json ?? "{}") as object) } as GuardOptions;
const { LISTENER = "", WHEN = "after" } = process.env;

const tell = (message: unknown) => process.send?.(message);
const server = http.createServer({ keepAliveTimeout: 60_000 }, route);
const guard = isGuarded ? createGuard(options) : undefined;

let throwTogether = () => {};
const together = new Promise<void>((resolve) => {
  throwTogether = resolve;
});

function route(request: http.IncomingMessage, response: http.ServerResponse): void {
  switch (request.url) {
    case "/slow":
      setTimeout(() => response.end("slow"), 500);
      tell("slow");
      return;
    case "/hang":
      tell("hangs");
      return;
    case "/exit":
      setTimeout(() => process.exit(7), 1);
      return;
    case "/throw":
      setTimeout(() => {
        throw new TypeError("thrown from a timer");
      }, 1);
      return;
    case "/throw-unreadable":
      setTimeout(() => {
        throw Object.defineProperty(new TypeError("unread"), "stack", {
          get() {
            throw new Error("thrown by a getter");
          },
        });
      }, 1);
      return;
    case "/domain": {
      // Only here: once it is loaded, nobody may capture uncaught exceptions any more.
      const domain = process.getBuiltinModule("node:domain").create();
      domain.on("error", () => response.end("answered by the domain"));
      domain.run(() => {
        setTimeout(() => {
          throw new TypeError("thrown in a domain");
        }, 1);
      });
      return;
    }
    case "/throw-together":
      tell("ready to throw");
      void together.then(() =>
        setTimeout(() => {
          throw new TypeError("thrown from a timer");
        }, 1),
      );
      return;
    case "/reject":
      void Promise.reject(new TypeError("rejected on the side"));
      setTimeout(() => response.end("answered all the same"), 20);
      return;
    default:
      response.end("ok");
  }
}

/** Asks who else listens, and ends the process if nobody does, as PM2, Sentry and others do. */
function onlyIfAlone(this: unknown, event: "uncaughtException" | "SIGTERM", code: number) {
  const listener = () => {
    tell("asked");
    if (process.listeners(event as "SIGTERM").filter((other) => other !== listener).length === 0) process.exit(code);
  };
  process.on(event as "SIGTERM", listener);
}

const LISTENERS: Record<string, () => void> = {
  none: () => {},
  // -- signals
  "looks on": () => process.on("SIGTERM", () => tell("looked on")),
  "opens its log again": () => process.on("SIGHUP", () => tell("opened")),
  "looks on, once": () => process.once("SIGTERM", () => tell("looked on")),
  "signal-exit": () => {
    const { onExit } = require("signal-exit") as typeof import("signal-exit");
    onExit((code, signal) => void tell(`exit ${code} ${signal}`));
  },
  "ends if alone": () => onlyIfAlone("SIGTERM", 9),
  "closes the server and exits": () =>
    process.on("SIGTERM", () => {
      server.close(() => process.exit(7));
    }),
  "exits after a while": () => process.on("SIGTERM", () => setTimeout(() => process.exit(7), 1_200)),
  "exits after a while, once": () => process.once("SIGTERM", () => setTimeout(() => process.exit(7), 1_200)),
  "takes longer than the grace": () =>
    process.on("SIGTERM", () => {
      server.close();
      setTimeout(() => process.exit(7), 2_500);
    }),
  "drains by the guard": () =>
    process.on("SIGTERM", () => {
      void guard?.drain({ graceMs: 5_000 }).then(() => setTimeout(() => process.exit(7), 600));
    }),
  "goes by itself and sends the signal again": () => {
    const listener = () =>
      server.close(() => {
        process.removeListener("SIGTERM", listener);
        process.kill(process.pid, "SIGTERM");
      });
    process.on("SIGTERM", listener);
  },
  terminus: () => {
    const { createTerminus } = require("@godaddy/terminus") as typeof import("@godaddy/terminus");
    createTerminus(server, { signals: ["SIGTERM"], onSignal: async () => void tell("cleaned up") });
  },
  "throws on the way out": () =>
    process.on("exit", () => {
      throw new Error("thrown on the way out");
    }),
  // -- exceptions
  "looks on at exceptions": () => process.on("uncaughtException", () => tell("looked on")),
  "exits after a while on exceptions, once": () =>
    process.once("uncaughtException", () => setTimeout(() => process.exit(7), 1_200)),
  "exits at once on exceptions": () => process.on("uncaughtException", () => process.exit(7)),
  "ends if alone on exceptions": () => onlyIfAlone("uncaughtException", 9),
  "closes the server on exceptions": () =>
    process.on("uncaughtException", () => {
      server.close();
      setTimeout(() => process.exit(7), 2_500);
    }),
  "throws again on exceptions": () =>
    process.on("uncaughtException", (error) => {
      throw error;
    }),
  "looks on at rejections": () => process.on("unhandledRejection", () => tell("looked on")),
  "captures exceptions": () => process.setUncaughtExceptionCaptureCallback(() => void tell("captured")),
};

const listen = LISTENERS[LISTENER];
if (listen === undefined) throw new Error(`no listener "${LISTENER}"`);
if (WHEN === "before") listen();
guard?.attach(server);
if (WHEN === "after") listen();
process.on("disconnect", () => process.exit());
process.on("message", (message) => {
  if (message === "throw together") throwTogether();
  if (message === "throw") {
    setTimeout(() => {
      throw new TypeError("thrown while idle");
    }, 1);
  }
});
server.listen(0, "127.0.0.1", () => tell({ port: (server.address() as AddressInfo).port }));
