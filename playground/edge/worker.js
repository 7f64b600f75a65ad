// The edge: a small pass-through Worker for workerd. It does what Cloudflare documents of itself between a visitor and
// an origin server, and nothing more: request fields, 520, 524, the limit of 128 KiB for the response header section.

// https://developers.cloudflare.com/fundamentals/reference/connection-limits/; workerd itself takes four times as much.
const MAX_HEADER_SECTION_OCTETS = 131_072;

import { edgeContent } from "edge-content.js";

export default {
  async fetch(request, env) {
    const ray = request.headers.get("Playground-CF-RAY") ?? `${randomHex(8)}-AMS`;
    // Documentation address: workerd does not tell the visitor's.
    const address = request.headers.get("Playground-CF-Connecting-IP") ?? "203.0.113.7";
    const page = (status, sentence) => edgePage(status, ray, address, sentence);
    const url = new URL(request.url);
    const [, name = "", ...rest] = url.pathname.split("/");
    const origin = env[name];
    if (typeof origin?.fetch !== "function") return page(404, `There is no origin server "${name}".`);
    try {
      const target = `http://${name}.test/${rest.join("/")}${url.search}`;
      return await pass(request, target, origin, ray, address, env);
    } catch (error) {
      if (error instanceof ReadTimeout) return page(524, "The origin server did not answer in time.");
      return page(520, "The origin server returned an empty, unknown or unexpected response.");
    }
  },
};

async function pass(request, target, origin, ray, address, { READ_TIMEOUT_MS: readTimeoutMs, EDGE_SECRET: secret }) {
  const headers = new Headers(request.headers);
  headers.delete("Playground-CF-RAY");
  headers.delete("Playground-CF-Connecting-IP");
  headers.set("CF-RAY", ray);
  headers.set("CF-Connecting-IP", address);
  headers.set("CF-IPCountry", "NL");
  headers.set("CDN-Loop", "cloudflare; loops=1");
  headers.set("X-Forwarded-Proto", "https");
  headers.set(secret.header, secret.value);

  const abort = new AbortController();
  const { method, body } = request;
  const sent = origin.fetch(target, { method, headers, body, redirect: "manual", signal: abort.signal });
  const response = await withinReadTimeout(sent, readTimeoutMs, () => abort.abort());
  if (headerSectionOctets(response) > MAX_HEADER_SECTION_OCTETS) throw new Error("response header section too large");
  if (response.webSocket) return response;

  const seen = new Headers(response.headers);
  seen.set("CF-RAY", ray);
  // Throws for a status outside 200 to 599, as a Worker on the real edge does.
  const { status, statusText } = response;
  if (response.body === null) return new Response(null, { status, statusText, headers: seen });

  // The content is streamed as the edge does, so that a failure in mid-content reaches the visitor as a cut connection.
  const { readable, writable } = new TransformStream();
  forward(response.body.getReader(), writable.getWriter(), readTimeoutMs);
  return new Response(readable, { status, statusText, headers: seen });
}

async function forward(reader, writer, readTimeoutMs) {
  try {
    for (;;) {
      const { done, value } = await withinReadTimeout(reader.read(), readTimeoutMs, () => {});
      if (done) return await writer.close();
      await writer.write(value);
    }
  } catch (error) {
    // Both ends may be gone already; neither tells more than the error does.
    await Promise.allSettled([reader.cancel(error), writer.abort(error)]);
  }
}

class ReadTimeout extends Error {}

/** The edge's read timeout counts from one read to the next, not over the whole response. */
async function withinReadTimeout(read, ms, onTimeout) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new ReadTimeout());
      onTimeout();
    }, ms);
  });
  try {
    return await Promise.race([read, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function headerSectionOctets({ headers, statusText }) {
  let octets = "HTTP/1.1 200 \r\n\r\n".length + statusText.length;
  for (const [name, value] of headers) octets += name.length + value.length + ": \r\n".length;
  return octets;
}

function edgePage(status, ray, address, sentence) {
  const headers = {
    "Content-Type": "text/html; charset=utf-8",
    "CF-RAY": ray,
    // The real edge marks the pages it makes itself with this field.
    "CF-Error-Type": String(status),
  };
  return new Response(edgeContent(status, ray, address, sentence), { status, headers });
}

function randomHex(octets) {
  return Array.from(crypto.getRandomValues(new Uint8Array(octets)), (octet) =>
    octet.toString(16).padStart(2, "0"),
  ).join("");
}
