/** The causes in groups, and last what no guard can repair: title of the group, names of its causes. */
export const GROUPS: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: "Empty", names: ["empty", "stream-early"] },
  { title: "Malformed", names: ["malformed", "interim", "length-too-small", "length-twice"] },
  { title: "Crash", names: ["crash", "throw", "reject", "two-answers", "late-error"] },
  { title: "Protocol mismatch", names: ["other-protocol", "upgrade", "expect"] },
  { title: "Premature close", names: ["premature-close", "length-too-large", "stream-midway"] },
  { title: "Headers", names: ["missing-colon", "bad-name", "bad-value", "header-limit", "request-head"] },
  { title: "Dropped connection", names: ["dropped", "idle"] },
  { title: "Hang", names: ["no-answer"] },
  { title: "Deploy", names: ["deploy"] },
  { title: "Overload", names: ["overload"] },
  { title: "Spoofed client", names: ["spoofed"] },
  { title: "Beyond repair, and no 520", names: ["stream-late"] },
];
