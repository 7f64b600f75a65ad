export { type CountErrorsOptions, countErrors, EDGE_ERRORS, ENDPOINT, type ErrorCounts } from "./count-errors.js";
export { AnalyticsError, type AnalyticsErrorCode } from "./error.js";
export type { ErrorRow } from "./rows.js";
export type { PathCount, StatusCount } from "./totals.js";
