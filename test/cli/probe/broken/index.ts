import type { Broken } from "./broken.js";
import { MESSAGES } from "./messages.js";
import { CONNECTIONS, REQUESTS } from "./requests.js";
import { SECURE } from "./secure.js";

export const BROKEN: readonly Broken[] = [...MESSAGES, ...REQUESTS, ...CONNECTIONS, ...SECURE];
