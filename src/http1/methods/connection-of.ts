import { Existing, shared } from "../../shared.js";
import { GuardedConnection } from "../connection/connection.js";
import type { Native, NativeSocketMethods, SocketMethod } from "../node/native-methods.js";
import type { NodeSocket } from "../node/node-internals.js";
import { type Guarded, guardSocketMethods } from "./socket-methods.js";

/** Hangs a connection on its socket, in a private field. */
const Holder = shared(
  "connection",
  () =>
    class Holder extends Existing {
      #connection: GuardedConnection;

      constructor(socket: object) {
        super(socket);
        this.#connection = new GuardedConnection(
          socket as NodeSocket,
          guardSocketMethods(socket as NodeSocket, Holder.makeOverride),
        );
      }

      static of(socket: object): GuardedConnection {
        if (#connection in socket) return socket.#connection;
        new Holder(socket);
        return Holder.of(socket);
      }

      static known(socket: object): GuardedConnection | undefined {
        return #connection in socket ? socket.#connection : undefined;
      }

      /** Makes a method for sockets: those that no guard has seen, or another protocol has taken over, go on. */
      static makeOverride(method: SocketMethod, native: NativeSocketMethods, guarded: Guarded): Native {
        return function (this: object, a?: unknown, b?: unknown, c?: unknown): unknown {
          const below = native[method] as Native;
          if (!(#connection in this)) return below.call(this, a, b, c);
          const connection = this.#connection;
          if (connection.released) {
            if (method === "destroy") connection.destroying();
            return below.call(this, a, b, c);
          }
          // Octets of the exchange whose turn it is: its own methods have looked at them.
          if (method === "write" && connection.first?.passing) return below.call(this, a, b, c);
          return guarded(connection, [a, b, c]);
        };
      }
    },
);

/** The guarded connection of a socket; the first call overrides its methods. */
export const connectionOf: (socket: object) => GuardedConnection = Holder.of;

/** The same, for a socket that nobody else is to guard. */
export const knownConnection: (socket: object) => GuardedConnection | undefined = Holder.known;
