import type { ClientHttp2Session } from "node:http2";
import { escapeText } from "../../validity/lint/show.js";

/** What happened to a session, for whoever asks later. */
export class SessionEvents {
  goaway: number | undefined;
  over = false;
  #error: Error | undefined;
  #hasSettings = false;
  #isAcknowledged = false;
  readonly #wake = new Set<() => void>();

  watch(session: ClientHttp2Session): void {
    const note = (change: () => void) => () => {
      change();
      for (const wake of this.#wake) wake();
    };
    session.on(
      "remoteSettings",
      note(() => (this.#hasSettings = true)),
    );
    session.on(
      "localSettings",
      note(() => (this.#isAcknowledged = true)),
    );
    session.on("goaway", (code: number) => note(() => (this.goaway = code))());
    session.on("error", (error: Error) => note(() => (this.#error = error))());
    session.on(
      "close",
      note(() => (this.over = true)),
    );
  }

  settings(withinMs: number): Promise<boolean> {
    return this.#until(() => this.#hasSettings, withinMs);
  }

  acknowledged(withinMs: number): Promise<boolean> {
    return this.#until(() => this.#isAcknowledged, withinMs);
  }

  shown(): string | undefined {
    return this.#error === undefined ? undefined : escapeText(this.#error.message);
  }

  #until(holds: () => boolean, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#wake.delete(check);
        resolve(holds());
      };
      const timer = setTimeout(finish, withinMs);
      const check = () => {
        if (holds() || this.over) finish();
      };
      this.#wake.add(check);
      check();
    });
  }
}

/** Whether PING is answered in time. */
export function pinged(session: ClientHttp2Session, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    const done = (isAnswered: boolean) => {
      clearTimeout(timer);
      resolve(isAnswered);
    };
    // A connection that ends meanwhile is a finding of its own.
    session.once("close", () => done(true));
    if (!session.ping((error) => done(error === null || session.destroyed))) done(true);
  });
}
