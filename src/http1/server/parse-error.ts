import { METHODS } from "../../node-http.js";
import { EVENTS } from "../../report/events.js";
import type { Failure } from "../../report/incidents.js";

const CLIENT_ERROR_STATUS: ReadonlyMap<unknown, number> = new Map([
  ["HPE_HEADER_OVERFLOW", 431],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", 413],
  ["ERR_HTTP_REQUEST_TIMEOUT", 408],
]);

/** As much as is looked at of a line that may be a request line, in octets. */
const LONGEST_REQUEST_LINE = 8_192;

const LONGEST_METHOD = Math.max(...METHODS.map(({ length }) => length));

/** What Node adds to an error of its parser; `rawPacket` is what came from the socket in one piece. */
export type ClientError = NodeJS.ErrnoException & { reason?: string; bytesParsed?: number; rawPacket?: Buffer };

/** Whether octets could not be parsed, or did not arrive in time: what is under way can still be answered in full. */
export function isOfParser({ code }: ClientError): boolean {
  return code !== undefined && (code.startsWith("HPE_") || code === "ERR_HTTP_REQUEST_TIMEOUT");
}

/** What an exchange becomes of it, unless the app answers. */
export function failureFor(error: ClientError, isHeard: boolean): Failure {
  return {
    code: "CLIENT_ERROR",
    message: EVENTS.CLIENT_ERROR,
    // Node answers by itself, unless the app wants to.
    prevented: isHeard ? 520 : null,
    status: CLIENT_ERROR_STATUS.get(error.code) ?? 400,
    err: withoutPacket(error),
    closes: true,
    // The octets end in the middle of a message: whoever sent them has closed.
    clientGone: error.code === "HPE_INVALID_EOF_STATE",
  };
}

/** Whether the octets do not even begin like a request: the parser has found no method, and there is no request line. */
export function isNoRequest({ code, rawPacket, bytesParsed = 0 }: ClientError): boolean {
  if (code !== "HPE_INVALID_METHOD") return false;
  const rest = rawPacket?.subarray(bytesParsed).toString("latin1", 0, LONGEST_REQUEST_LINE) ?? "";
  return !/^[!-~]* [!-~]+ HTTP\/[0-9]/.test(rest);
}

/**
 * The method of a request that could not be parsed: known where it begins with the octets that Node hangs on the error,
 * and no other message does. A request in pieces has the error in a later one.
 */
export function methodIn({ rawPacket, bytesParsed }: ClientError): string | undefined {
  const parsed = rawPacket?.subarray(0, bytesParsed);
  if (parsed === undefined || parsed.includes("\n\r\n") || parsed.includes("\n\n")) return undefined;
  const [token = ""] = parsed.toString("latin1", 0, LONGEST_METHOD + 1).split(" ", 1);
  return METHODS.includes(token) ? token : undefined;
}

/** Node hangs the octets it could not parse on the error; they may hold cookies and credentials. */
function withoutPacket(error: ClientError): Error {
  const { code, reason, bytesParsed, stack } = error;
  return Object.assign(new Error(error.message), { code, reason, bytesParsed, stack });
}
