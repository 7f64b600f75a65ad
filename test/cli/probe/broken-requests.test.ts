import { REQUESTS } from "./broken/requests.js";
import { foundOut } from "./found-out.js";

foundOut(REQUESTS);
