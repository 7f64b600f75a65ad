// Only this folder runs in a browser; the compiler looks at all of the playground at once.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
