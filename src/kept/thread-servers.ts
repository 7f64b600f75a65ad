import { subscribe } from "node:diagnostics_channel";
import { BroadcastChannel, getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { contained } from "../containment.js";
import { SERVER_LISTENS } from "../server/first-contact.js";

/** Known to every thread of a kept program, and the channel between them. */
const NAME = "rayguard.kept";

/** Hears, in the main thread, of the first server that listens in another one: no keeper can hold its socket. */
export function onThreadServer(listens: () => void): void {
  setEnvironmentData(NAME, true);
  const hear = contained(undefined, () => {
    const channel = new BroadcastChannel(NAME);
    channel.onmessage = contained(undefined, () => {
      channel.close();
      listens();
    });
    channel.unref();
  });
  process.once("worker", hear);
}

/** Tells the main thread of a kept program that a server listens in this one. */
export function tellOfServers(): void {
  if (getEnvironmentData(NAME) !== true) return;
  const tell = contained(undefined, () => {
    const channel = new BroadcastChannel(NAME);
    channel.postMessage(null);
    channel.close();
  });
  subscribe(SERVER_LISTENS, tell);
}
