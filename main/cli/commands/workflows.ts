// `workflows`: the presets.
import { listPresets } from "../../../app/workflow/index.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";

export async function workflows(output: Output): Promise<number> {
  const presets = listPresets();
  for (const preset of presets) {
    output.line(preset);
    output.result(
      `${preset.alias.padEnd(10)}  ${preset.title.en} · ${preset.title.zh}\n  ${preset.description.en}`,
    );
  }
  output.summary({ workflows: presets.length }, `${presets.length} presets.`);
  return EXIT.ok;
}
