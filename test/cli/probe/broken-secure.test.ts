import { SECURE } from "./broken/secure.js";
import { foundOut } from "./found-out.js";

foundOut(SECURE);
