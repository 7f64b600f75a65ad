interface Mounted {
  readonly url?: string | undefined;
  readonly originalUrl?: string;
  readonly baseUrl?: string;
  readonly route?: { readonly stack?: readonly Layer[] };
}

interface Layer {
  readonly handle: unknown;
  /** Express 5: there is no path that does not match. */
  readonly slash?: boolean;
  /** The same of Express 4. */
  readonly regexp?: { readonly fast_slash?: boolean };
}

/**
 * The handlers that every request to an Express application, or to a router, comes to: not those under a path, since the
 * options of a guard there are for that part of the application.
 */
export function* handlersIn(handler: object): Generator<unknown> {
  const stack = ownValue(handler, "stack") ?? (routerOf(handler) as { readonly stack?: unknown } | undefined)?.stack;
  if (!Array.isArray(stack)) return;
  for (const { handle, slash, regexp } of stack as Layer[]) if (slash ?? regexp?.fast_slash) yield handle;
}

/**
 * Whether every other request would have come to a middleware as well: it is mounted neither under a path nor at a route.
 * What leads to the application may still be a function that sends other requests elsewhere.
 */
export function isForAll(request: Mounted, middleware: unknown): boolean {
  const { url, originalUrl, baseUrl, route } = request;
  if (route?.stack?.some(({ handle }) => handle === middleware)) return false;
  // Others than Express cut a path off the target, too, and keep the whole of it.
  return baseUrl === undefined ? originalUrl === url : baseUrl === "";
}

function routerOf(handler: object): unknown {
  if (ownValue(handler, "request") === undefined) return undefined; // no application
  return ownValue(handler, "_router") ?? madeRouter(handler);
}

/**
 * Express 5 makes the router of an application as it is first read, with the settings of that moment. Where it can ask for
 * none, it throws instead; so does Express 4, always.
 */
function madeRouter(app: object): unknown {
  try {
    return Reflect.apply(Object.getOwnPropertyDescriptor(app, "router")?.get as () => unknown, {}, []);
  } catch {
    return undefined;
  }
}

/** Never runs a getter. */
function ownValue(object: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(object, name)?.value;
}
