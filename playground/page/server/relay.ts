import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { HOST } from "../../origins/origin.js";
import { type Party, Recording } from "./recording.js";

/** Between the edge and an origin server: passes every octet on, each close and each reset, and can record them. */
export class Relay {
  readonly #targetPort: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #recording: Recording | undefined;
  #connections = 0;

  /** @param targetPort - of the origin server, looked up for each connection: its process may be a new one */
  constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
    // Half-open as the origin server's own sockets are: a close of one side is passed on, never answered.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (edge) => this.#pass(edge));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, HOST);
    await once(this.#server, "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Records from now on; what was recorded until then stays with its owner. */
  record(): Recording {
    this.#recording = new Recording();
    return this.#recording;
  }

  stopRecording(): void {
    this.#recording = undefined;
  }

  /** Ends every connection, so that the next request opens one. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.dropConnections();
  }

  #pass(edge: Socket): void {
    const id = ++this.#connections;
    let isNew = true;
    const startedIn = this.#recording;
    const note = (from: Party, kind: "opened" | "octets" | "end" | "reset" | "refused", octets?: Buffer): void => {
      isNew = startedIn === this.#recording;
      this.#recording?.note(id, isNew, from, kind, octets);
    };
    note("edge", "opened");
    const origin = connect({ port: this.#targetPort(), host: HOST, allowHalfOpen: true, noDelay: true });
    let isConnected = false;
    origin.once("connect", () => {
      isConnected = true;
    });
    const forward = (from: Socket, to: Socket, party: Party): void => {
      this.#sockets.add(from);
      from.on("data", (octets: Buffer) => {
        note(party, "octets", octets);
        if (!to.write(octets)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => {
        note(party, "end");
        to.end();
      });
      from.on("error", () => {
        note(party, party === "origin" && !isConnected ? "refused" : "reset");
        // A reset stays one on the other side: the edge tells it from a close.
        to.resetAndDestroy();
      });
      from.on("close", () => {
        this.#sockets.delete(from);
        if (!to.destroyed && !to.writableEnded) to.destroy();
      });
    };
    forward(edge, origin, "edge");
    forward(origin, edge, "origin");
  }
}
