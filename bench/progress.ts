/** Tells on stderr what the benchmark is doing, on one line where that is a terminal. */
export function progress(text: string): void {
  const { stderr } = process;
  if (stderr.isTTY) stderr.write(`\r\x1b[K${text}`);
  else if (text !== "") stderr.write(`${text}\n`);
}
