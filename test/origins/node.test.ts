import { defineOriginTests } from "./define.js";

defineOriginTests("node");
