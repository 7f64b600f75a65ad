import type { Group } from "../scenario.js";
import bodiless from "./bodiless.js";
import client from "./client.js";
import closing from "./closing.js";
import controls from "./controls.js";
import expressAnswers from "./express-answers.js";
import expressErrors from "./express-errors.js";
import fastifyAnswers from "./fastify-answers.js";
import fastifyErrors from "./fastify-errors.js";
import fastifyHooks from "./fastify-hooks.js";
import fields from "./fields.js";
import framing from "./framing.js";
import hanging from "./hanging.js";
import interim from "./interim.js";
import misuse from "./misuse.js";
import pipelining from "./pipelining.js";
import protocol from "./protocol.js";
import proxying from "./proxying.js";
import rawSocket from "./raw-socket.js";
import status from "./status.js";
import streams from "./streams.js";
import throwing from "./throwing.js";

export const GROUPS: readonly Group[] = [
  ...[closing, rawSocket, hanging, status, framing, bodiless, fields, throwing, misuse, streams, proxying],
  ...[client, pipelining, protocol, interim, controls, expressErrors, expressAnswers],
  ...[fastifyErrors, fastifyHooks, fastifyAnswers],
];

const names = GROUPS.flatMap(({ scenarios }) => scenarios.map(({ name }) => name));
const twice = names.filter((name, index) => names.indexOf(name) !== index);
if (twice.length > 0) throw new Error(`Two scenarios have the same name: ${twice.join("; ")}`);
