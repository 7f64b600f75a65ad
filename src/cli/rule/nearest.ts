/** How many single characters have to be put in, taken out or changed to make one text of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The names that look most like a text, best first: those that contain it, then those a slip of the finger away. */
export function nearest(text: string, names: readonly string[], most = 4): string[] {
  const wanted = text.toUpperCase();
  return names
    .map((name) => {
      const known = name.toUpperCase();
      const isPart = wanted.length > 2 && known.includes(wanted);
      const off = distance(wanted, known);
      return { name, off: isPart ? Math.min(off, 0.5) : off };
    })
    .filter(({ off, name }) => off <= Math.max(2, Math.floor(Math.max(wanted.length, name.length) / 2.5)))
    .sort((a, b) => a.off - b.off)
    .slice(0, most)
    .map(({ name }) => name);
}
