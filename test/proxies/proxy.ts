import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { lastingPort } from "../../playground/process/lasting-port.js";

/** Where a proxy listens, and the origin server it passes requests on to; both on 127.0.0.1. */
export interface Route {
  readonly port: number;
  readonly origin: number;
}

/** A reverse proxy: where its binary comes from and how it is configured. */
export interface ProxyKind {
  readonly name: string;
  /** What to do where the binary is missing. */
  readonly install: string;
  /** Whether it keeps connections to the origin server. */
  readonly reuses: boolean;
  /**
   * Field by which it is asked to make up an upload: the octets, and "chunked". For a proxy that resets clients which
   * still upload when it has an answer for them, whatever the origin server does.
   */
  readonly uploadHeader?: string;
  /** Path of the binary, or `undefined` where there is none. */
  find(): string | undefined;
  /** Text of the configuration file. `folder`: for everything the proxy writes. */
  configure(routes: readonly Route[], folder: string): string;
  /** Arguments that keep the process in the foreground. */
  args(file: string, folder: string): string[];
}

/** Longest wait of every proxy for octets of the origin server: well over the deadlines of the guard. */
export const READ_TIMEOUT_S = 2;

/** Path of a binary; servers live in folders that are not in everybody's PATH. */
export function findInPath(...names: string[]): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

/** A proxy that runs. */
export interface RunningProxy {
  /** Ports, in the order of the origin servers. */
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

/** Starts a proxy in front of origin servers; resolves when it listens for each of them. */
export async function startProxy(kind: ProxyKind, binary: string, origins: readonly number[]): Promise<RunningProxy> {
  let reason: unknown;
  // None of them tells which port it was given, so ports are chosen first, and may be taken before they are used.
  for (let attempt = 0; attempt < 3; attempt++) {
    const ports = await freePorts(origins.length);
    const routes = ports.map((port, index) => ({ port, origin: origins[index] as number }));
    try {
      return await launch(kind, binary, routes);
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}

async function launch(kind: ProxyKind, binary: string, routes: readonly Route[]): Promise<RunningProxy> {
  const folder = await mkdtemp(join(tmpdir(), "rayguard-proxy-"));
  const file = join(folder, "proxy.conf");
  await writeFile(file, kind.configure(routes, folder));
  // A file, not a pipe: Apache opens its log by name, and a socket cannot be opened.
  const log = await open(join(folder, "log"), "a+");
  const child = spawn(binary, kind.args(file, folder), { stdio: ["ignore", log.fd, log.fd] });
  // Not even a test run that is broken off leaves a server behind.
  const end = () => void child.kill("SIGKILL");
  process.once("exit", end);
  const gone = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  const stop = async () => {
    await terminate(child, gone);
    process.off("exit", end);
    await log.close();
    await rm(folder, { recursive: true, force: true });
  };
  const listening = Promise.all(routes.map(({ port }) => listens(port, child)));
  const started = await Promise.race([listening.then(settled), gone.then(() => undefined)]);
  if (started?.every(Boolean)) return { ports: routes.map(({ port }) => port), stop };
  const text = await readFile(join(folder, "log"), "utf8");
  await stop();
  throw new Error(`${kind.name} did not start:\n${text}`);
}

/** A port that another process has taken is open as well: the proxy is about to end of that. */
async function settled<T>(value: T): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  return value;
}

async function terminate(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
  await gone;
  clearTimeout(timer);
}

/** Whether the port takes connections within ten seconds, while the process is there. */
async function listens(port: number, child: ChildProcess): Promise<boolean> {
  const end = performance.now() + 10_000;
  while (performance.now() < end && child.exitCode === null && child.signalCode === null) {
    const socket = connect({ port, host: "127.0.0.1" });
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** Ports that nobody uses at the moment, nor gets by chance while a server that dies leaves one of them. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await lastingPort());
  return ports;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
