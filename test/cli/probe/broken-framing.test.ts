import { FRAMING } from "./broken/framing.js";
import { foundOut } from "./found-out.js";

foundOut(FRAMING);
