import { createServer as createTcpServer, type Socket } from "node:net";

const reply = (status: string, content: string, more = "") =>
  `HTTP/1.1 ${status}\r\nDate: ${new Date().toUTCString()}\r\n${more}Content-Length: ${content.length}\r\n\r\n${content}`;

/** A TCP server that gets each request line and whole head; for faults Node's own server does not have. */
export function byHead(answer: (head: string, socket: Socket, count: number) => void) {
  return () =>
    createTcpServer((socket) => {
      socket.on("error", () => {});
      let text = "";
      let count = 0;
      socket.on("data", (octets) => {
        text += octets.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
          const head = text.slice(0, end + 4);
          text = text.slice(end + 4);
          answer(head, socket, count++);
        }
      });
    });
}

/** What a right server writes for a request. */
export function right(head: string): string {
  const [, method, path = "", version] = /^(\S+) (\S+) HTTP\/(1\.\d)/.exec(head) ?? [];
  if (
    method === undefined ||
    /^(?:[^:\r\n]* [^:\r\n]*:|Content-Length: \d*[a-z])/m.test(head.slice(head.indexOf("\r\n") + 2))
  ) {
    return reply("400 Bad Request", "no", "Connection: close\r\n");
  }
  const close = version === "1.0" || /^connection: close/im.test(head) ? "Connection: close\r\n" : "";
  const isHere = /^\/(?:\?|$)/.test(path);
  const text = reply(isHere ? "200 OK" : "404 Not Found", isHere ? "hello" : `nothing at ${path}`, close);
  return method === "HEAD" ? text.slice(0, text.indexOf("\r\n\r\n") + 4) : text;
}

export function write(socket: Socket, text: string): void {
  socket.write(text, "latin1");
  if (/^Connection: close/m.test(text)) socket.end();
}
