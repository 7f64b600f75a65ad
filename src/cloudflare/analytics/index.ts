export { RayguardError, type RayguardErrorCode } from "../../errors.js";
export { type CountErrorsOptions, countErrors, EDGE_ERRORS, ENDPOINT, type ErrorCounts } from "./count-errors.js";
export type { ErrorRow } from "./rows.js";
export type { PathCount, StatusCount } from "./totals.js";
