/** What the edge adds to each request, as a Transform Rule of a zone can: who goes around the edge does not know it. */
export const EDGE_SECRET = { header: "X-Edge-Secret", value: "known-to-the-edge-of-this-playground" } as const;
