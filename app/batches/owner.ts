// Names this process in leases, so that others can tell whether it still runs.
// Must never: take another process for a dead one; where it cannot know, the lease's end decides.
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** "host:pid:start"; the start time tells a process from a later one with the same number. */
export function ownerName(pid: number = process.pid): string {
  return `${hostname()}:${pid}:${startOf(pid) ?? ""}`;
}

/** Whether the owner of a lease may still be running. */
export function isOwnerAlive(owner: string): boolean {
  const match = /^(.*):(\d+):(\d*)$/.exec(owner);
  if (match === null || match[1] !== hostname()) return true;
  const pid = Number(match[2]);
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  const start = startOf(pid);
  return start === undefined || match[3] === "" || start === match[3];
}

/** Start time in clock ticks since boot, where the system says it (field 22 of Linux's /proc/PID/stat). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
