// Graphs that nobody would draw, made of the nodes that there are: the service answers each, runs those that it takes to
// an end, and lives.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Serving, serve } from "./service.ts";

let folder: string;
let service: Serving;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-fuzz-"));
  service = await serve(folder);
  for (const name of ["a.png", "b.png"]) {
    const background = { r: 90, g: 90, b: 90, alpha: name === "a.png" ? 0.5 : 1 };
    await service.upload(
      name,
      await sharp({ create: { width: 9, height: 7, channels: 4, background } })
        .png()
        .toBuffer(),
    );
  }
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
});

type Kind = readonly [string | readonly string[], { readonly options?: readonly unknown[] }?];
type Info = Record<
  string,
  { readonly input: Record<"required" | "optional", Record<string, Kind> | undefined> }
>;

/** Small numbers and right words mostly, so that many graphs can run, and do not run for long. */
const anything = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    1,
    2,
    0.5,
    7,
    64,
    -1,
    1e9,
    "1",
    "a.png",
    "b.png",
    "",
    true,
    false,
    null,
    [],
    {},
    ["1", 0],
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const ids = fc.constantFrom("1", "2", "3", "4", "5");
const link = fc.tuple(ids, fc.constantFrom<unknown>(0, 0, 0, 1, 2, -1, 0.5, "0"));

function inputOf([type, { options = [] } = {}]: Kind): fc.Arbitrary<unknown> {
  const usual: Record<string, fc.Arbitrary<unknown>> = {
    INT: fc.constantFrom(1, 2, 8, 64),
    FLOAT: fc.constantFrom(0, 0.5, 1),
    BOOLEAN: fc.boolean(),
    IMAGE: fc.oneof({ weight: 3, arbitrary: fc.constant(["1", 0]) }, link),
    MASK: fc.constant(["1", 1]),
    STRING: fc.constantFrom("x", "", "1,2 #804020", "../x"),
  };
  const words = Array.isArray(type) ? type : options;
  const likely =
    words.length > 0
      ? fc.constantFrom(...words)
      : ((typeof type === "string" ? usual[type] : undefined) ?? link);
  return fc.oneof(
    { weight: 100, arbitrary: likely },
    { weight: 1, arbitrary: anything },
    { weight: 1, arbitrary: link },
  );
}

it("any graph is answered, and run to an end if it is taken", { timeout: 600_000 }, async () => {
  const info = await service.json<Info>("/object_info");
  const nodes = Object.entries(info).map(([class_type, { input }]) => {
    const specs = { ...input.required, ...input.optional };
    const inputs = fc.record(
      Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, inputOf(spec)])),
      { requiredKeys: Object.keys(input.required ?? {}) },
    );
    return fc.record({ class_type: fc.constant(class_type), inputs });
  });
  const load = { class_type: "LoadImage", inputs: { image: "a.png" } };
  const graph = fc
    .dictionary(
      ids,
      fc.oneof({ weight: 30, arbitrary: fc.oneof(...nodes) }, { weight: 1, arbitrary: anything }),
    )
    .map((some) => ({
      ...some,
      1: load,
      6: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "f" } },
    }));
  const endings: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(graph, async (prompt) => {
      const response = await service.post("/prompt", { prompt });
      expect([200, 400]).toContain(response.status);
      const { prompt_id, error } = (await response.json()) as { prompt_id: string; error?: { type: string } };
      const entry = response.status === 200 ? await service.finished(prompt_id) : undefined;
      const ending = entry?.status.status_str ?? error?.type ?? "";
      endings[ending] = (endings[ending] ?? 0) + 1;
      // What fails has said something better than that it is a bug of ours.
      expect(JSON.stringify(entry?.status.messages ?? "")).not.toContain('"exception_type":"internal"');
    }),
    { numRuns: 300 },
  );
  expect(endings.success).toBeGreaterThan(0);
  expect(endings.prompt_outputs_failed_validation).toBeGreaterThan(0);
  expect((await service.get("/healthz")).status).toBe(200);
});
