import { enterAgain } from "../../exchange/current-exchange.js";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import type { NodeSocket } from "../node/node-internals.js";

/** Where Node's parser has what it calls for a piece of content, and for the end of a request. */
const CALLS = [3, 4] as const;

type Call = (this: Parser, ...args: unknown[]) => unknown;
type Parser = { readonly incoming?: object | null } & Partial<Record<(typeof CALLS)[number], Call>>;

/** Parsers are used again for other connections. */
const followed = new WeakSet<Parser>();

/**
 * Has what an app does with the content of a request belong to that, as all else that runs for it: from Node 24 on, a parser
 * calls for each piece of it in the context in which its connection began.
 */
export function followContent(socket: NodeSocket): void {
  const { parser } = socket as { parser?: Parser | null };
  if (!parser || followed.has(parser)) return;
  followed.add(parser);
  for (const at of CALLS) {
    const below = parser[at];
    if (typeof below !== "function") continue;
    parser[at] = function (this: Parser, ...args: unknown[]) {
      const exchange = this.incoming ? anyExchangeOf(this.incoming) : undefined;
      if (exchange !== undefined) enterAgain(exchange);
      return below.apply(this, args);
    };
  }
}
