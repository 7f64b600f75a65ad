import type { RecorderSettings } from "../recorder/recorder-options.js";
import { shared } from "../shared.js";

interface Holder {
  settings: RecorderSettings | undefined;
}

const holder = shared("kept ledger", (): Holder => ({ settings: undefined }));

/** Names the file that the keeper reads. It takes the place of a flight recorder's, which tells the same. */
export function keptLedger(settings: RecorderSettings): void {
  holder.settings = settings;
}

/** What the recorder of this process goes by, where a keeper reads it. */
export function ledgerOfKeeper(): RecorderSettings | undefined {
  return holder.settings;
}
