import { spawn } from "node:child_process";

/** How each platform opens an address; elsewhere the address that was printed has to do. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ["open"],
  win32: ["cmd", "/c", "start", '""'],
  linux: ["xdg-open"],
};

/** Opens the page where somebody sits at the terminal and has a browser; never an error where not. */
export function openInBrowser(url: string): void {
  const { env, platform, stdout } = process;
  if (!stdout.isTTY || env.CI !== undefined) return;
  const hasDesktop = platform !== "linux" || env.DISPLAY !== undefined || env.WAYLAND_DISPLAY !== undefined;
  const [command, ...args] = OPENERS[platform] ?? [];
  if (command === undefined || !hasDesktop) return;
  const opener = spawn(command, [...args, url], { stdio: "ignore", detached: true });
  opener.on("error", () => {}); // no such program
  opener.unref();
}
