// `models list|pull|import|pack|verify|remove|default`.
import { resolve } from "node:path";
import { importModels, pullModel } from "../../../app/colorize/index.ts";
import { changeConfig, createLogger, loadConfig, threadsOf } from "../../../app/kernel/index.ts";
import {
  embeddedModel,
  type Model,
  openModelStore,
  PUBLISHED,
  type Published,
  verifyModel,
  writePack,
} from "../../../app/modelstore/index.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { duration, type Output } from "../output.ts";

export async function modelsList(output: Output): Promise<number> {
  const config = loadConfig();
  const installed = openModelStore(config.models).list();
  for (const { path, ...model } of installed) {
    output.line({ ...model, installed: true, default: model.id === config.model, path });
    output.result(`${model.id === config.model ? "*" : " "} ${inWords(model)}`);
  }
  const others = PUBLISHED.filter(({ id }) => !installed.some((model) => model.id === id));
  if (others.length > 0) output.result("\nTo be fetched with `autochrome models pull ID`:");
  for (const published of others) {
    output.line({ ...published, installed: false });
    output.result(`  ${inWords(published)}`);
  }
  output.summary(
    { models: installed.length, available: others.length },
    `${installed.length} installed, marked * is the one in use; ${others.length} more known.`,
  );
  return EXIT.ok;
}

function inWords({
  id,
  size,
  licence,
  publisher,
  input,
  goodFor,
}: Pick<Published, "id" | "size" | "licence" | "publisher" | "input" | "goodFor">): string {
  const shape = input.fixed === undefined ? "any size" : `${input.fixed.width} × ${input.fixed.height} only`;
  const facts = [size === undefined ? "size unknown" : megabytes(size), shape, licence, publisher];
  return `${id}  ${facts.join(", ")}\n    ${goodFor.en}`;
}

export async function modelsPull(ids: readonly string[], output: Output): Promise<number> {
  const config = loadConfig();
  const store = openModelStore(config.models);
  const interrupt = listenForInterrupt(output);
  try {
    for (const id of ids) {
      output.say(`Fetching ${id} …`);
      const pulled = await pullModel(store, id, {
        threads: threadsOf(config).network,
        log: createLogger(config.logLevel),
        signal: interrupt.drain,
        mirrors: config.modelMirrors,
        onTrouble: ({ source, reason, waitMs }) =>
          output.say(
            `${new URL(source).host}: ${reason}${waitMs === undefined ? ", trying the next" : `, trying again in ${duration(waitMs)}`}.`,
          ),
        onProgress: ({ received, total, remainingMs, source }) => {
          output.line({ id, received, total: total ?? null, source });
          if (total === undefined) return;
          output.progress({ done: received, total, failed: 0, remainingMs, count: megabytes });
        },
      });
      if (pulled.kind === "model") told(pulled.model, output);
      else {
        output.line({ id, checkpoint: pulled.path, sha256: pulled.sha256 });
        output.result(
          `${pulled.path}\n  Make an ONNX model of it before it can be used: models/export/README.md says how.`,
        );
      }
    }
    output.summary({ fetched: ids.length }, `${ids.length} fetched.`);
    return EXIT.ok;
  } finally {
    interrupt.release();
  }
}

export async function modelsImport(
  file: string,
  flags: { readonly id?: string },
  output: Output,
): Promise<number> {
  const config = loadConfig();
  const interrupt = listenForInterrupt(output);
  try {
    const models = await importModels(openModelStore(config.models), resolve(file), {
      threads: threadsOf(config).network,
      log: createLogger(config.logLevel),
      signal: interrupt.drain,
      ...(flags.id === undefined ? {} : { id: flags.id }),
    });
    for (const model of models) told(model, output);
    output.summary(
      { imported: models.length },
      `${models.length} taken in. Use it with --model ${models[0]?.id ?? "ID"}, or always with \`autochrome models default ${models[0]?.id ?? "ID"}\`.`,
    );
    return EXIT.ok;
  } finally {
    interrupt.release();
  }
}

function told({ path, ...model }: Model, output: Output): void {
  output.line({ ...model, path });
  output.result(inWords(model));
}

export async function modelsPack(file: string, ids: readonly string[], output: Output): Promise<number> {
  const store = openModelStore(loadConfig().models);
  const wished = ids.length > 0 ? ids : store.list().map((model) => model.id);
  const models = wished.filter((id) => id !== embeddedModel().id).map((id) => store.find(id));
  const interrupt = listenForInterrupt(output);
  try {
    const target = resolve(file);
    await writePack(
      target,
      models.map(({ path, ...record }) => ({
        path,
        sha256: record.sha256,
        size: record.size,
        record: { ...record, origin: "" },
      })),
      { signal: interrupt.drain },
    );
    output.summary(
      { file: target, models: models.map(({ id }) => id) },
      `${target}: ${models.length} ${models.length === 1 ? "model" : "models"}. On the other computer: autochrome models import FILE.`,
    );
    return EXIT.ok;
  } finally {
    interrupt.release();
  }
}

export async function modelsVerify(output: Output): Promise<number> {
  const models = openModelStore(loadConfig().models).list();
  let failed = 0;
  for (const model of models) {
    const state = await verifyModel(model);
    if (state !== "intact") failed++;
    output.line({ id: model.id, state, sha256: model.sha256 });
    output.result(`${model.id}  ${state}`);
  }
  output.summary(
    { intact: models.length - failed, failed },
    failed === 0
      ? "All models are intact."
      : `${failed} not intact: fetch or import them again; where it is ${embeddedModel().id}, install Autochrome again.`,
  );
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

export async function modelsRemove(id: string, output: Output): Promise<number> {
  const config = loadConfig();
  await openModelStore(config.models).remove(id);
  if (config.model === id) {
    await changeConfig({ model: undefined });
    output.say(`${id} was the model in use; from now on it is ${embeddedModel().id}.`);
  }
  output.summary({ removed: id }, `${id} is removed.`);
  return EXIT.ok;
}

export async function modelsDefault(id: string, output: Output): Promise<number> {
  const model = openModelStore(loadConfig().models).find(id);
  await changeConfig({ model: model.id });
  output.summary({ default: model.id }, `${model.title} is used from now on.`);
  return EXIT.ok;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
