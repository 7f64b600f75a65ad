import { setImmediate } from "../../clock.js";
import { contained, type Witness } from "../../containment.js";

/** The socket of a connection over TLS. */
interface Handshaking {
  readonly destroyed: boolean;
  destroy(): unknown;
}

const failed = new WeakSet<object>();

/**
 * A TLS handshake has failed, or has not been completed within `handshakeTimeout`. There is nobody to answer: Node closes
 * such a connection where nobody listens, and leaves it to the listeners of `clientError` otherwise, for ever if need be.
 */
export function handshakeFailed(socket: Handshaking, witness: Witness): undefined {
  failed.add(socket);
  const close = () => {
    if (!socket.destroyed) socket.destroy();
  };
  setImmediate(contained(witness, close)); // listeners come first
}

/** Whether nothing can be read or written, since there is no TLS. */
export function hasFailedHandshake(socket: object): boolean {
  return failed.has(socket);
}
