import { Readable } from "node:stream";
import Fastify from "fastify";
import { die, page, pieces } from "./work.js";

const app = Fastify();
app.get("/page/:id", (request) => page(request.params.id));
app.get("/pieces/:id", (request, reply) => {
  return reply.type("text/plain").send(Readable.from(pieces(request.params.id)));
});
app.post("/die/:how", (request, _reply) => void die[request.params.how]());
await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
