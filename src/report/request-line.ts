import { batchOf } from "./line-batch.js";
import { type Logger, MESSAGES, type RequestRecord } from "./log.js";
import { pinoLineOf, pinoLines } from "./pino-line.js";

/**
 * Writes the line of a request as the logger would have.
 * @param batchMs - longest time it may wait for others
 * @param isPlain - nobody else has had the record in hand
 */
export function writeRequestLine(logger: Logger, record: RequestRecord, batchMs: number, isPlain: boolean): void {
  // That a logger is none of pino's is found out once.
  const line = pinoLines.get(logger.info) === null ? null : pinoLineOf(logger);
  if (line === null) {
    logger.info(record, MESSAGES.request);
    return;
  }
  const text = line.text(logger as never, record, isPlain);
  const batch = batchMs === 0 ? null : batchOf(line.stream);
  if (batch === null) line.stream.write(text);
  else batch.add(text, batchMs);
}
