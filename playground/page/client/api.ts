import type { DeathOrder, DeathResult, RunOrder, RunResult, RunSummary, Setup } from "../shared/model.js";

export const getSetup = () => ask<Setup>("/api/setup");
export const getRuns = () => ask<RunSummary[]>("/api/runs");
export const getRun = (id: number) => ask<RunResult | DeathResult>(`/api/runs/${id}`);
export const startRun = (order: RunOrder) => ask<RunResult>("/api/runs", order);
export const startDeath = (order: DeathOrder) => ask<DeathResult>("/api/deaths", order);
/** Starts something that answers nothing. */
export const order = (path: string) => ask<void>(path, null);

/** @throws {Error} with the reason that the server gives */
async function ask<T>(path: string, body?: unknown): Promise<T> {
  const init: RequestInit = body === undefined ? {} : { method: "POST" };
  if (body !== undefined && body !== null) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await fetch(path, init);
  if (response.status === 204) return undefined as T;
  const answer = await response.json();
  if (response.ok) return answer as T;
  throw new Error((answer as { message?: string }).message ?? `${response.status} ${response.statusText}`);
}
