import { defineOriginTests } from "./define.js";

defineOriginTests("express5");
