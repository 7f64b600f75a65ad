/** Where a server listens, as it stands in a log line: a path, or an address and a port. */
export function addressText(address: unknown): string | null {
  if (typeof address !== "object" || address === null) return typeof address === "string" ? address : null;
  const { address: host, family, port } = address as { address: string; family: string; port: number };
  return family === "IPv6" ? `[${host}]:${port}` : `${host}:${port}`;
}
