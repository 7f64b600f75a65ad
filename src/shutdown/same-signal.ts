/** Within this time a further signal is the same one: a process group and a wrapper both pass it on. In milliseconds. */
export const SAME_SIGNAL_MS = 1_000;
