/**
 * The values of `node:http`, without an ES import of it: that has Node (22 and newer) load its own `fetch()`, whose
 * dispatcher an undici that the app has installed then takes for its own. It costs a start 30 ms, too.
 */
import type * as types from "node:http";

const http = process.getBuiltinModule("node:http");

export const { METHODS, createServer, maxHeaderSize, validateHeaderName, validateHeaderValue } = http;
export const { IncomingMessage, OutgoingMessage, Server, ServerResponse } = http;

export type IncomingMessage = types.IncomingMessage;
export type OutgoingMessage = types.OutgoingMessage;
export type Server = types.Server;
export type ServerResponse = types.ServerResponse;
