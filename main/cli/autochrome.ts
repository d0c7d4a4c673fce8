#!/usr/bin/env node
import { enableCompileCache } from "node:module";
// The command line: what can be typed, and the exit code. Owns: commands, flags, help.
// Must never: do the work; each command has a file of its own in commands/, loaded when it is asked for.
import { availableParallelism } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { AutochromeError, configSchema, toErrorRecord, VERSION } from "../../app/kernel/index.ts";
import { EXIT } from "./exit.ts";
import { createOutput, type Output } from "./output.ts";

const FORMATS = ["jpeg", "png", "tiff", "webp", "avif"];

/** Parses the arguments and runs the command. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const output = createOutput(argv.includes("--json"));
  // Who read the output has seen enough (`… | head`): nobody is left to tell anything.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });
  let code: number = EXIT.ok;
  const program = buildProgram(output, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const error = toErrorRecord(thrown, "the command");
    output.line({ error });
    output.say(`${error.message} ${error.next}`);
    if (error.code === "internal" && error.detail !== undefined) output.say(error.detail);
    return error.code === "interrupted" ? EXIT.interrupted : EXIT.usage;
  }
}

function buildProgram(output: Output, finish: (code: number) => void): Command {
  const program = new Command("autochrome")
    .description(
      "Catalogues old black-and-white photographs and gives them colour. Originals are never changed.",
    )
    .version(VERSION)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .option("--json", "machine output on stdout: JSON Lines, the last one a summary")
    .addHelpText(
      "after",
      "\nExit codes: 0 all done, 1 some items failed, 2 usage or set-up error, 130 interrupted (finished work is kept).",
    );

  const command = (name: string, about: string, parent: Command = program) =>
    parent.command(name).description(about).exitOverride().showSuggestionAfterError();
  const examples = (...lines: string[]) =>
    `\nExamples:\n${lines.map((line) => `  $ autochrome ${line}`).join("\n")}`;
  const libraryOption = () =>
    new Option(
      "--library <folder>",
      "the library; otherwise AUTOCHROME_LIBRARY, otherwise your Pictures folder",
    );
  const deviceOption = () =>
    new Option("--device <device>", "what runs the network; see `autochrome devices`").choices(
      configSchema.shape.device.unwrap().options,
    );
  const graphOptions = (target: Command) =>
    target
      .option(
        "--workflow <name>",
        "portrait, building, another preset (see `autochrome workflows`), a workflow file of ComfyUI's, or auto: the preset that suits each photo",
      )
      .option(
        "--model <ids>",
        "model to colour with, see `autochrome models list`; several with commas make variants to choose from",
        list,
      )
      .option(
        "--model-size <pixels>",
        "side of the square whose area the network sees, 64–2048; several with commas make variants",
        (text: string) => list(text).map(integer(1, 100_000)),
      )
      .option("--color-factor <factor>", "multiplies the colour: 0 none, 1 as given, 2 twice", decimal(0, 2))
      .addOption(
        new Option("--format <format>", "format of the results")
          .choices(["same", ...FORMATS])
          .default("same"),
      )
      .option("--parity", "the official DDColor arithmetic, for comparisons");

  graphOptions(command("colorize", "Colours files and folders into another folder; needs no library."))
    .argument("<paths...>", "photos or folders")
    .requiredOption("--out <folder>", "where results go; relative paths are kept")
    .addOption(deviceOption())
    .option("--overwrite", "replace results that are already there")
    .addHelpText(
      "after",
      examples(
        "colorize album/ --out coloured/",
        "colorize scan.tif --out . --format png --color-factor 0.8",
        "colorize album/ --out coloured/ --workflow portrait",
      ),
    )
    .action(async (paths, flags) =>
      finish(await (await import("./commands/colorize.ts")).colorize(paths, flags, output)),
    );

  command("import", "Adds photos to the library. They stay where they are.")
    .argument("<paths...>", "photos or folders")
    .addOption(libraryOption())
    .option("--album <name>", "put them into this album as well; made if it does not exist")
    .option("--copy", "copy them into the library folder")
    .addHelpText("after", examples('import ~/Scans --album "Grandparents"'))
    .action(async (paths, flags) =>
      finish(await (await import("./commands/import.ts")).importCommand(paths, flags, output)),
    );

  command("photos", "Lists photos of the library.")
    .addOption(libraryOption())
    .option("--album <name>", "only this album")
    .option("--search <text>", "words in title, caption, file name, place, people, date")
    .addHelpText("after", examples("photos --search 1936", 'photos --album "Grandparents" --json'))
    .action(async (flags) => finish(await (await import("./commands/photos.ts")).photos(flags, output)));

  const batch = command("batch", "The queue: colours photos of the library.");
  graphOptions(command("run", "Queues photos and colours them.", batch))
    .addOption(libraryOption())
    .addOption(deviceOption())
    .addOption(new Option("--album <name>", "the photos of this album").conflicts(["photo", "all"]))
    .addOption(new Option("--photo <id...>", "these photos").conflicts(["album", "all"]))
    .addOption(new Option("--all", "all photos").conflicts(["album", "photo"]))
    .addOption(
      new Option(
        "--on <where>",
        "local: this computer; cluster: the one of the settings; mixed: both; http://…: a server that speaks ComfyUI; auto: this computer's GPU, else the cluster, else the CPU",
      )
        .argParser(place)
        .default("auto"),
    )
    .option("--priority <number>", "higher runs first", integer(-1000, 1000))
    .addHelpText(
      "after",
      examples(
        'batch run --album "Grandparents"',
        "batch run --all --on cluster",
        "batch run --all --on http://studio:8188",
      ),
    )
    .action(async (flags) => {
      if (flags.album === undefined && flags.photo === undefined && flags.all !== true) {
        throw new AutochromeError("usage", "Say which photos.", "Use --album NAME, --photo ID or --all.");
      }
      finish(await (await import("./commands/batch.ts")).batchRun(flags, output));
    });
  command("list", "All batches, newest first.", batch)
    .addOption(libraryOption())
    .action(async (flags) => finish(await (await import("./commands/batch.ts")).batchList(flags, output)));
  const onBatch = [
    ["show", "A batch's photos and their states.", "batchShow"],
    ["pause", "Lets running photos finish and begins no new ones.", "batchPause"],
    ["resume", "Goes on with a batch after a pause, an interruption or a crash.", "batchResume"],
    ["cancel", "Gives up what is not finished; finished photos stay.", "batchCancel"],
    ["retry", "Runs the failed photos of a batch again, and only those.", "batchRetry"],
  ] as const;
  for (const [name, about, run] of onBatch) {
    const on = command(name, about, batch).argument("<id>", "the batch").addOption(libraryOption());
    if (name === "resume" || name === "retry") on.addOption(deviceOption());
    on.action(async (id, flags) =>
      finish(await (await import("./commands/batch.ts"))[run](id, flags, output)),
    );
  }

  command("versions", "Lists what was made of a photo.")
    .argument("<photo>", "the photo's id; see `autochrome photos --json`")
    .addOption(libraryOption())
    .action(async (photo, flags) =>
      finish(await (await import("./commands/tune.ts")).versions(photo, flags, output)),
    );
  command("tune", "Makes new versions with other colours; the network does not run again.")
    .argument("<versions...>", "versions' ids; see `autochrome versions`")
    .option("--color-factor <factor>", "multiplies the colour: 0 none, 1 as given, 2 twice", decimal(0, 2))
    .option("--temperature <amount>", "−1 bluer … 1 more golden", decimal(-1, 1))
    .option("--tint <amount>", "−1 greener … 1 pinker", decimal(-1, 1))
    .option("--vibrance <amount>", "pale colours more than strong ones, −1 … 1", decimal(-1, 1))
    .option("--protect-skin <share>", "how far skin keeps its colour, 0 … 1", decimal(0, 1))
    .option(
      "--blend <share>",
      "share of the new colours; the rest is the original's own, 0 … 1",
      decimal(0, 1),
    )
    .option("--mask <picture>", "a picture that is white where this is to apply")
    .option("--no-mask", "everywhere again")
    .option("--look <file>", "write a JPEG of what it would look like, and make no version")
    .addOption(libraryOption())
    .addHelpText("after", examples("tune 0190… --temperature 0.2 --vibrance 0.3"))
    .action(async (ids, flags) =>
      finish(await (await import("./commands/tune.ts")).tune(ids, flags, output)),
    );

  command(
    "export",
    "Writes coloured versions into a folder: of each photo the accepted or else the newest one.",
  )
    .requiredOption("--out <folder>", "where to")
    .addOption(libraryOption())
    .option("--album <name>", "only this album")
    .option("--accepted", "only versions that were accepted")
    .addOption(
      new Option("--format <format>", "format of the files").choices(["same", ...FORMATS]).default("same"),
    )
    .option("--side-by-side", "original and version in one picture")
    .addHelpText("after", examples('export --album "Grandparents" --out ~/Desktop/coloured --format jpeg'))
    .action(async (flags) =>
      finish(await (await import("./commands/export.ts")).exportVersions(flags, output)),
    );

  command(
    "serve",
    "Serves Autochrome's window and ComfyUI's clients over HTTP, on this computer only unless a key is set.",
  )
    .option("--host <address>", "address to listen on; any but loopback needs a key")
    .option("--port <number>", "port to listen on; 0 takes any that is free", integer(0, 65_535))
    .option(
      "--api-key <key>",
      "secret that clients must show; better in AUTOCHROME_API_KEY, where others cannot see it",
    )
    .option("--front-end <folder>", "ComfyUI's editor: the folder static of comfyui-frontend-package")
    .option("--data <folder>", "where uploads and results lie; otherwise service in the library folder")
    .addOption(libraryOption())
    .option("--cors <origin...>", "web pages that may use the service")
    .option("--until-stdin-closes", "ends when whoever started it ends, as the desktop app does")
    .addHelpText("after", examples("serve", "serve --front-end ~/comfyui-frontend/static --port 8000"))
    .action(async (flags) => finish(await (await import("./commands/serve.ts")).serve(flags, output)));

  command("devices", "Tries everything on this computer that could run the network.").action(async () =>
    finish(await (await import("./commands/devices.ts")).devices(output)),
  );

  const cluster = command("cluster", "The Kubernetes cluster that batches can run on.");
  command("check", "Looks at everything on the cluster that a batch needs; changes nothing.", cluster)
    .addHelpText("after", examples("cluster check", "cluster check --json"))
    .action(async () => finish(await (await import("./commands/cluster.ts")).clusterCheck(output)));
  command("jobs", "What of this installation is on the cluster, and what it waits for.", cluster).action(
    async () => finish(await (await import("./commands/cluster-jobs.ts")).clusterJobs(output)),
  );
  command("logs", "What the pods of a batch say, in sentences.", cluster)
    .argument("<batch>", "the batch")
    .option("--pod <name>", "all lines of this pod")
    .action(async (batch, flags) =>
      finish(await (await import("./commands/cluster-jobs.ts")).clusterLogs(batch, flags, output)),
    );
  command("clean", "Clears away old Jobs and files of batches that are over.", cluster)
    .addOption(
      new Option("--older-than-days <days>", "older than so many days")
        .argParser(integer(0, 3650))
        .default(7),
    )
    .addOption(libraryOption())
    .action(async (flags) =>
      finish(await (await import("./commands/cluster.ts")).clusterClean(flags, output)),
    );

  command("suggest", "Says which preset suits each photo, and why; colours nothing.")
    .argument("<paths...>", "photos or folders")
    .addHelpText("after", examples("suggest album/"))
    .action(async (paths) => finish(await (await import("./commands/suggest.ts")).suggest(paths, output)));

  command("workflows", "Lists the presets that --workflow takes.").action(async () =>
    finish(await (await import("./commands/workflows.ts")).workflows(output)),
  );

  const models = command("models", "Model files.");
  command("list", "Models that are installed, and those that can be fetched.", models).action(async () =>
    finish(await (await import("./commands/models.ts")).modelsList(output)),
  );
  command("pull", "Fetches models; goes on where it was interrupted.", models)
    .argument("<ids...>", "see `autochrome models list`")
    .addHelpText("after", examples("models pull ddcolor-modelscope"))
    .action(async (ids) => finish(await (await import("./commands/models.ts")).modelsPull(ids, output)));
  command("import", "Takes in an ONNX file, or a pack of models; needs no network.", models)
    .argument("<file>", "the file; it stays where it is")
    .option("--id <id>", "what to call the model; otherwise as the manifest calls it, or after the file")
    .addHelpText(
      "after",
      examples("models import ddcolor.onnx --id my-ddcolor", "models import office.autochrome-models"),
    )
    .action(async (file, flags) =>
      finish(await (await import("./commands/models.ts")).modelsImport(file, flags, output)),
    );
  command("pack", "Puts models into one file, for a computer without a network.", models)
    .argument("<file>", "the pack to write, best called *.autochrome-models")
    .argument("[ids...]", "which models; otherwise all that were added")
    .action(async (file, ids) =>
      finish(await (await import("./commands/models.ts")).modelsPack(file, ids, output)),
    );
  command("verify", "Checks every model file against its digest.", models).action(async () =>
    finish(await (await import("./commands/models.ts")).modelsVerify(output)),
  );
  command("remove", "Removes a model.", models)
    .argument("<id>", "the model")
    .action(async (id) => finish(await (await import("./commands/models.ts")).modelsRemove(id, output)));
  command("default", "Uses a model from now on.", models)
    .argument("<id>", "the model")
    .action(async (id) => finish(await (await import("./commands/models.ts")).modelsDefault(id, output)));

  command("backup", "Copies the library's database into a file, while it stays in use.")
    .argument("[file]", "where to; otherwise a new file in the library's backups folder")
    .addOption(libraryOption())
    .action(async (file, flags) =>
      finish(await (await import("./commands/safety.ts")).backup(file, flags, output)),
    );
  command("restore", "Puts a backup in the place of the library's database; the present one is kept aside.")
    .argument("<file>", "the backup")
    .addOption(libraryOption())
    .action(async (file, flags) =>
      finish(await (await import("./commands/safety.ts")).restore(file, flags, output)),
    );
  command("doctor", "Looks at everything and prints a report to paste into an issue.")
    .addOption(libraryOption())
    .action(async (flags) => finish(await (await import("./commands/doctor.ts")).doctor(flags, output)));
  return program;
}

function list(text: string): string[] {
  const words = text.split(",").map((word) => word.trim());
  if (words.includes("")) throw new InvalidArgumentError("Separate names with commas, without gaps.");
  return words;
}

/** What `--on` takes. */
function place(text: string): string {
  const isServer = /^https?:$/.test(URL.parse(text)?.protocol ?? "");
  if (isServer || ["auto", "local", "cluster", "mixed"].includes(text)) return text;
  throw new InvalidArgumentError("It is auto, local, cluster, mixed, or the address of a server (http://…).");
}

function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low || value > high || text.trim() === "") {
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`);
    }
    return value;
  };
}

function decimal(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value >= low && value <= high) || text.trim() === "") {
      throw new InvalidArgumentError(`It must be a number from ${low} to ${high}.`);
    }
    return value;
  };
}

if (import.meta.main) {
  enableCompileCache(); // commands are loaded after this: stripped types and compiled code are kept from run to run
  // The network's threads come from the cores; Node's file threads are few by default, and decoding waits for them.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
  process.exitCode = await main(process.argv.slice(2));
}
