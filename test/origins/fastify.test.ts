import { defineOriginTests } from "./define.js";

defineOriginTests("fastify");
