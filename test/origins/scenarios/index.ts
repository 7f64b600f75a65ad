import type { Group } from "../scenario.js";
import bodiless from "./bodiless.js";
import clientBehaviour from "./client-behaviour.js";
import clientMalformed from "./client-malformed.js";
import closing from "./closing.js";
import controlsContent from "./controls-content.js";
import controlsMessages from "./controls-messages.js";
import expressContent from "./express-content.js";
import expressControls from "./express-controls.js";
import expressErrors from "./express-errors.js";
import expressFields from "./express-fields.js";
import expressFiles from "./express-files.js";
import expressMiddleware from "./express-middleware.js";
import expressNext from "./express-next.js";
import fastifyAnswers from "./fastify-answers.js";
import fastifyContent from "./fastify-content.js";
import fastifyControls from "./fastify-controls.js";
import fastifyErrorHandlers from "./fastify-error-handlers.js";
import fastifyErrors from "./fastify-errors.js";
import fastifyHooks from "./fastify-hooks.js";
import fastifyLateHooks from "./fastify-late-hooks.js";
import fastifyPayloads from "./fastify-payloads.js";
import fastifyPlugins from "./fastify-plugins.js";
import fastifyStreams from "./fastify-streams.js";
import fastifyThrown from "./fastify-thrown.js";
import fields from "./fields.js";
import fieldsLegal from "./fields-legal.js";
import fieldsSize from "./fields-size.js";
import framing from "./framing.js";
import framingCoding from "./framing-coding.js";
import framingConnection from "./framing-connection.js";
import framingLength from "./framing-length.js";
import hanging from "./hanging.js";
import hangingLate from "./hanging-late.js";
import interim from "./interim.js";
import misuse from "./misuse.js";
import misuseAfterEnd from "./misuse-after-end.js";
import pipelining from "./pipelining.js";
import protocol from "./protocol.js";
import protocolHttp10 from "./protocol-http-1-0.js";
import proxying from "./proxying.js";
import rawSocket from "./raw-socket.js";
import status from "./status.js";
import streams from "./streams.js";
import streamsOther from "./streams-other.js";
import throwing from "./throwing.js";
import throwingStages from "./throwing-stages.js";

export const GROUPS: readonly Group[] = [
  closing,
  rawSocket,
  hanging,
  hangingLate,
  status,
  framingLength,
  framingCoding,
  framing,
  framingConnection,
  bodiless,
  fields,
  fieldsSize,
  fieldsLegal,
  throwing,
  throwingStages,
  misuseAfterEnd,
  misuse,
  streams,
  streamsOther,
  proxying,
  clientMalformed,
  clientBehaviour,
  pipelining,
  protocol,
  protocolHttp10,
  interim,
  controlsMessages,
  controlsContent,
  expressContent,
  expressControls,
  expressErrors,
  expressFields,
  expressFiles,
  expressMiddleware,
  expressNext,
  fastifyAnswers,
  fastifyContent,
  fastifyControls,
  fastifyErrorHandlers,
  fastifyErrors,
  fastifyHooks,
  fastifyLateHooks,
  fastifyPayloads,
  fastifyPlugins,
  fastifyStreams,
  fastifyThrown,
];

const names = GROUPS.flatMap(({ scenarios }) => scenarios.map(({ name }) => name));
const twice = names.filter((name, index) => names.indexOf(name) !== index);
if (twice.length > 0) throw new Error(`Two scenarios have the same name: ${twice.join("; ")}`);
