import type { Broken } from "./broken.js";
import { CONNECTIONS } from "./connections.js";
import { FRAMING } from "./framing.js";
import { MESSAGES } from "./messages.js";
import { REQUESTS } from "./requests.js";
import { SECURE } from "./secure.js";

export const BROKEN: readonly Broken[] = [...MESSAGES, ...FRAMING, ...REQUESTS, ...CONNECTIONS, ...SECURE];
