import { defineHttp2OriginTests } from "./define.js";

defineHttp2OriginTests("node");
