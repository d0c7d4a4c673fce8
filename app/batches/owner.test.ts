import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { isOwnerAlive, ownerName } from "./owner.ts";

it("knows a running process from one that is gone", async () => {
  expect(isOwnerAlive(ownerName())).toBe(true);
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
  const owner = ownerName(child.pid);
  expect(isOwnerAlive(owner)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(isOwnerAlive(owner)).toBe(false);
});

it.runIf(process.platform === "linux")("knows a process from a later one with the same number", () => {
  const [host, pid] = ownerName().split(":");
  expect(isOwnerAlive(`${host}:${pid}:1`)).toBe(false);
});

it("leaves the judgement about other computers to the lease", () => {
  expect(isOwnerAlive("another-host:1:1")).toBe(true);
  expect(isOwnerAlive("no owner at all")).toBe(true);
});
