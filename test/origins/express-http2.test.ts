import { defineHttp2OriginTests } from "./define.js";

defineHttp2OriginTests("express5", "express4");
