import { Duplex } from "node:stream";

/** Two ends of a connection that have nothing of a net.Socket. */
export function pair(): [Duplex, Duplex] {
  const ends: Duplex[] = [0, 1].map(
    (at) =>
      new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          ends[1 - at]?.push(chunk);
          done();
        },
        final(done) {
          ends[1 - at]?.push(null);
          ends[1 - at]?.read(0); // as a net.Socket does
          done();
        },
      }),
  );
  return ends as [Duplex, Duplex];
}
