import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig, silentLogger } from "../app/kernel/index.ts";
import { examineHealth, findingInWords, type HealthFinding, withoutHome } from "./health.ts";

test("the home folder is written as ~, other folders stay what they are", () => {
  const short = (text: string) => withoutHome(text, "/home/ann");
  expect(short("/home/ann/Pictures, /home/ann: 3 GiB")).toBe("~/Pictures, ~: 3 GiB");
  expect(short("/home/anna /home/ann-old /srv/home/ann/x /home/ann.old")).toBe(
    "/home/anna /home/ann-old /srv/home/ann/x /home/ann.old",
  );
  expect(withoutHome(String.raw`C:\Users\a+b (x)\Pictures`, String.raw`C:\Users\a+b (x)`)).toBe(
    String.raw`~\Pictures`,
  );
  expect(withoutHome("/etc", "/")).toBe("/etc");
  expect(withoutHome("/etc", "")).toBe("/etc");
});

test("a finding is a line, and what helps stands below it", () => {
  expect(
    findingInWords({ about: "disk", ok: false, found: "full", next: "Free some.", detail: "a\nb" }),
  ).toEqual(["✗ disk: full", "    Free some.", "    | a", "    | b"]);
});

test("a computer without a library is looked at, and nothing is made", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-health-"));
  try {
    const findings: HealthFinding[] = [];
    const config = loadConfig({ AUTOCHROME_CONFIG: join(folder, "none.json"), AUTOCHROME_DEVICE: "cpu" });
    const options = { config: { ...config, models: folder }, libraryFolder: join(folder, "library") };
    for await (const finding of examineHealth({ ...options, log: silentLogger() })) findings.push(finding);
    const found = new Map(findings.map((finding) => [finding.about, finding]));
    expect(found.get("model autochrome-small")).toMatchObject({ ok: true, found: "intact" });
    expect(found.get("device")).toMatchObject({
      ok: true,
      found: "photos are coloured on cpu (device: cpu)",
    });
    expect(found.get("library")).toMatchObject({ ok: true, found: expect.stringMatching("none yet") });
  } finally {
    await rm(folder, { recursive: true });
  }
});
