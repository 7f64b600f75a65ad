import { CONNECTIONS } from "./broken/connections.js";
import { foundOut } from "./found-out.js";

foundOut(CONNECTIONS);
