import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { group, late, sleep } from "../scenario.js";

export default group("hanging: late answers", [
  {
    name: "answers only after the deadline",
    origin: async (_req, res) => {
      await sleep(500);
      res.setHeader("content-type", "text/plain");
      res.writeHead(200);
      res.end("too late");
    },
    settleMs: 350,
    shows: late,
    rules: ["MC-10"],
  },
  {
    name: "streams only after the deadline",
    origin: async (_req, res) => {
      await sleep(500);
      res.statusCode = 201;
      res.setHeader("etag", '"1"');
      res.write("too ");
      await sleep(20);
      res.end("late");
    },
    settleMs: 400,
    shows: late,
  },
  {
    name: "pipes only after the deadline",
    origin: async (_req, res) => {
      await sleep(450);
      await pipeline(Readable.from(["too ", "late"]), res).catch(() => {});
    },
    settleMs: 300,
    shows: late,
  },
  {
    name: "throws only after the deadline",
    origin: async () => {
      await sleep(450);
      throw new Error("secret cause");
    },
    settleMs: 250,
    shows: late,
  },
  {
    name: "destroys the socket only after the deadline",
    origin: async (req) => {
      await sleep(450);
      req.socket.destroy();
    },
    settleMs: 0,
    shows: late,
  },
  {
    name: "sends early hints only after the deadline",
    origin: async (_req, res) => {
      await sleep(450);
      res.writeEarlyHints({ link: "</a.css>; rel=preload" });
      res.writeContinue();
      res.end("late");
    },
    settleMs: 250,
    shows: late,
    rules: ["IR-3"],
  },
  {
    name: "appends, removes and reads fields only after the deadline",
    origin: async (_req, res) => {
      await sleep(450);
      res.appendHeader("vary", "accept");
      res.removeHeader("etag");
      res.getHeaders();
      res.flushHeaders();
      res.addTrailers({ "x-t": "1" });
      res.end("late", () => {});
    },
    settleMs: 250,
    shows: late,
  },
]);
