import type { EventEmitter } from "node:events";
import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { Readable } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterEach(stopAll);

/** What an app has got hold of: the stream, and the objects of the compatibility API where it uses that. */
type Act = (stream: ServerHttp2Stream, ...others: EventEmitter[]) => void;

const APPS: Record<string, (act: Act) => (server: Http2Server) => void> = {
  "the core API": (act) => (server) => void server.on("stream", (stream) => act(stream)),
  "the compatibility API": (act) => (server) =>
    void server.on("request", (request, response) => act(response.stream, request, response)),
};

const MODES: Record<string, GuardOptions> = { enforce: {}, report: { mode: "report" } };

/** All that an app can ask about listeners. */
function listenersOf(emitter: EventEmitter): unknown {
  const counts = emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]);
  return { max: emitter.getMaxListeners(), counts: counts.sort() };
}

for (const [api, app] of Object.entries(APPS)) {
  describe(`an app of ${api}`, () => {
    it.each(Object.keys(MODES))("finds the listeners that Node has added, and no others: %s", async (mode) => {
      const found: unknown[] = [];
      const asks: Act = (stream, ...others) => {
        found.push([stream.session as EventEmitter, stream, ...others].map(listenersOf));
        stream.respond();
        stream.end("x");
      };
      for (const options of [undefined, MODES[mode]]) {
        const { client } = await start(app(asks), options);
        expect(await seen(send(client))).toMatchObject({ status: 200, complete: true });
      }
      expect(found[1]).toEqual(found[0]);
    });

    it.each(Object.keys(MODES))("finds nothing in what it is given that Node has not put there: %s", async (mode) => {
      const found: unknown[] = [];
      const looks: Act = (stream, ...others) => {
        found.push([stream, ...others].map((object) => Reflect.ownKeys(object).map(String)));
        stream.respond();
        stream.end("x");
      };
      for (const options of [undefined, MODES[mode]]) {
        const { client } = await start(app(looks), options);
        expect(await seen(send(client))).toMatchObject({ status: 200, complete: true });
      }
      expect(found[1]).toEqual(found[0]);
    });

    it.each(Object.keys(MODES))("may take all of them away: %s", async (mode) => {
      const takes: Act = (stream) => {
        stream.removeAllListeners("close").removeAllListeners("pipe");
        stream.respond();
        Readable.from([Buffer.from("a"), Buffer.from("b")]).pipe(stream);
      };
      const { client, guard } = await start(app(takes), MODES[mode]);
      expect(await seen(send(client))).toMatchObject({ status: 200, octets: 2, complete: true });
      await vi.waitFor(() => expect(guard?.stats()).toMatchObject({ inFlight: 0, incidents: {} }), { interval: 5 });
    });

    it("is answered for where it has, and a source fails", async () => {
      const takes: Act = (stream) => {
        stream.removeAllListeners("close").removeAllListeners("pipe");
        const source = new Readable({ read() {} });
        source.on("error", () => {});
        stream.respond();
        source.pipe(stream);
        source.destroy(new Error("the disk is gone"));
      };
      const { client, guard } = await start(app(takes), {});
      expect(await seen(send(client))).toMatchObject({ status: 500, complete: true });
      await vi.waitFor(() => expect(guard?.stats()).toMatchObject({ inFlight: 0, incidents: { "MC-9": 1 } }), {
        interval: 5,
      });
    });
  });
}
