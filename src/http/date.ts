const IMF_FIXDATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The two obsolete forms, of RFC 850 and of asctime(), which recipients take and senders must not write. */
const OBSOLETE_DATE =
  /^(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4})$/;

/**
 * Reads a date in the one form that may be sent, with a day of the week that is right.
 * @returns Milliseconds since the epoch; `undefined` for everything else.
 * @see RFC 9110, section 5.6.7
 */
export function readImfFixdate(value: string): number | undefined {
  const [, day, month, year, hour, minute, second] = IMF_FIXDATE.exec(value) ?? [];
  if (month === undefined) return undefined;
  // Date.parse() takes years below 100 for ones of the last century, and a zero time of other languages is year 1.
  const date = new Date(0);
  date.setUTCFullYear(Number(year), MONTHS.indexOf(month), Number(day));
  date.setUTCHours(Number(hour), Number(minute), Math.min(Number(second), 59));
  // A leap second is valid, and Date has none.
  return date.toUTCString() === value.replace(":60 GMT", ":59 GMT") ? date.getTime() : undefined;
}

/** Whether a date is in one of the obsolete forms. */
export function isObsoleteDate(value: string): boolean {
  return OBSOLETE_DATE.test(value);
}

/** Whether a recipient can read a value as a date, in whichever form. */
export function isHttpDate(value: string): boolean {
  return readImfFixdate(value) !== undefined || isObsoleteDate(value);
}
