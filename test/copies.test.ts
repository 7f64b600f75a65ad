import { afterEach, expect, it } from "vitest";
import { exchange } from "../src/testing/index.js";
import { endPrograms, Program } from "./zero-code/program.js";

// Packages that depend on it bring copies of their own, and a test runner gives one to each file that it runs in a process.

afterEach(endPrograms);

/** A program that loads each copy once the one before has guarded a server, and served. */
const program = (mode: string) => `import http from "node:http";
const OPTIONS = { logger: false, shutdown: false, crash: false, mode: ${JSON.stringify(mode)} };
const serve = async (copy) => {
  const { createGuard } = await import(copy + "/src/index.js");
  const guard = createGuard(OPTIONS);
  const server = http.createServer(guard.listener((request, response) => {
    if (request.url === "/throw") throw new Error("thrown");
    if (request.url === "/destroy") request.socket.destroy();
    if (request.url === "/piece") response.write("a"), response.writableLength, response.end("b");
    if (request.url === "/") response.end(copy);
  }));
  guard.attach(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await fetch("http://127.0.0.1:" + server.address().port);
  process.send(server.address().port);
};
for (const copy of ["./one", "./two", "./three"]) await serve(copy);`;

const COPIES = { one: "dist", two: "dist", three: "dist" };

it("copies of the package that are loaded one after another each guard their server", async () => {
  const started = Program.start("app.mjs", program("enforce"), { flags: [], copies: COPIES });
  for (const port of await started.ports(3)) {
    const paths = ["/", "/throw", "/piece", "/destroy"];
    const { responses } = await exchange(
      { port },
      paths.map((path) => ({ path })),
    );
    expect(responses.map(({ status }) => status)).toEqual([200, 500, 200, 500]);
    expect(responses[2]?.text()).toBe("ab");
  }
  expect(started.stderr).toBe("");
});

it("in report mode they change nothing", async () => {
  const started = Program.start("app.mjs", program("report"), { flags: [], copies: COPIES });
  for (const port of await started.ports(3)) {
    const { responses } = await exchange({ port }, [{ path: "/" }, { path: "/piece" }, { path: "/destroy" }]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
  }
  expect(started.stderr).toBe("");
});
