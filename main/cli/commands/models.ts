// `models list|verify`.
import { listModels, verifyModel } from "../../../app/modelstore/index.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";

export async function modelsList(output: Output): Promise<number> {
  const models = listModels();
  for (const { path, ...model } of models) {
    output.line({ ...model, path });
    output.result(`${model.id}  ${(model.size / 1e6).toFixed(1)} MB  ${model.licence}\n  ${model.goodFor}`);
  }
  output.summary({ models: models.length }, `${models.length} ${models.length === 1 ? "model" : "models"}.`);
  return EXIT.ok;
}

export async function modelsVerify(output: Output): Promise<number> {
  let failed = 0;
  for (const model of listModels()) {
    const state = await verifyModel(model);
    if (state !== "intact") failed++;
    output.line({ id: model.id, state, sha256: model.sha256 });
    output.result(`${model.id}  ${state}`);
  }
  output.summary(
    { intact: listModels().length - failed, failed },
    failed === 0 ? "All models are intact." : `${failed} not intact: install Autochrome again.`,
  );
  return failed === 0 ? EXIT.ok : EXIT.failed;
}
