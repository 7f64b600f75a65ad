import { MESSAGES } from "./broken/messages.js";
import { foundOut } from "./found-out.js";

foundOut(MESSAGES);
