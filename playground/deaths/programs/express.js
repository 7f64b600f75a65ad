import { Readable } from "node:stream";
import express from "express";
import { die, page, pieces } from "./work.js";

const app = express();
app.get("/page/:id", async (request, response) => {
  response.type("text/plain").send(await page(request.params.id));
});
app.get("/pieces/:id", (request, response) => {
  Readable.from(pieces(request.params.id)).pipe(response.type("text/plain"));
});
app.post("/die/:how", (request) => die[request.params.how]());
app.listen(Number(process.env.PORT), "127.0.0.1");
