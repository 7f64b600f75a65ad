/** A longer line is nobody's log line; it is dropped, so that memory stays bounded. In characters. */
export const MAX_LINE = 1_048_576;

/**
 * Cuts octets into lines, one at a time.
 * @yields a line without its end, or null for one that is longer than `MAX_LINE`
 */
export async function* linesOf(octets: AsyncIterable<Buffer>): AsyncGenerator<string | null> {
  const decoder = new TextDecoder(); // a broken sequence becomes U+FFFD, and nothing worse
  let open = "";
  let tooLong = false;
  for await (const chunk of octets) {
    const text = decoder.decode(chunk, { stream: true });
    // What is written on behind logrotate's copytruncate begins with as many of them as the file had octets.
    const lines = (text.includes("\0") ? text.replaceAll("\0", "") : text).split("\n");
    const last = lines.pop() as string;
    for (const line of lines) {
      yield tooLong || open.length + line.length > MAX_LINE ? null : withoutCr(open + line);
      open = "";
      tooLong = false;
    }
    if (tooLong || open.length + last.length > MAX_LINE) {
      tooLong = true;
      open = "";
    } else open += last;
  }
  if (tooLong) yield null;
  else if (open !== "") yield withoutCr(open);
}

function withoutCr(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
