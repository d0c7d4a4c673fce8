// `serve`: the window, the library and ComfyUI's interface over HTTP, until somebody stops it.
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  createGate,
  createLogTail,
  createService,
  isLoopback,
  openFolders,
  type RetentionRules,
  type SecuritySettings,
} from "../../../app/api/index.ts";
import { createPromptQueue } from "../../../app/batches/index.ts";
import {
  AutochromeError,
  type Config,
  createLogger,
  isSetting,
  sweepLeftovers,
} from "../../../app/kernel/index.ts";
import { createGraphCache } from "../../../app/workflow/index.ts";
import { openDesk } from "../../desk.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";

export interface ServeFlags {
  readonly host?: string;
  readonly port?: number;
  readonly apiKey?: string;
  readonly frontEnd?: string;
  readonly data?: string;
  readonly library?: string;
  readonly cors?: string[];
  readonly untilStdinCloses?: boolean;
}

/** Bytes of pictures between nodes that are kept for the next prompt. */
const CACHE_BYTES = 512 * 1024 * 1024;
/** Whoever started the service is gone: nobody waits longer than this for it to end in order. */
const ORPHAN_MS = 10_000;

export async function serve(
  { untilStdinCloses = false, ...flags }: ServeFlags,
  output: Output,
): Promise<number> {
  const engine = createEngine(flags);
  const { config } = engine;
  const stopped = untilStopped(untilStdinCloses);
  const tail = createLogTail(process.stderr);
  const log = createLogger(config.logLevel, tail.stream);
  try {
    const gate = createGate(securityOf(config)); // before anything runs: it may refuse to start
    const library = await engine.library();
    for (const warning of library.warnings) output.say(warning);
    const data = resolve(config.data ?? join(engine.libraryFolder, "service"));
    const folders = await openFolders(data);
    const scratch = join(folders.root, "scratch");
    await mkdir(scratch, { recursive: true });
    await sweepLeftovers(scratch);
    const world = { ...engine.surroundings(), files: folders };
    const cache = createGraphCache({ scratchBeside: join(scratch, "picture"), capacity: CACHE_BYTES });
    const queue = createPromptQueue({
      library,
      world,
      cache,
      log,
    });
    const given = Object.keys(flags).filter(isSetting);
    const desk = await openDesk({ engine, log, isLocal: isLoopback(config.host), given });
    try {
      const service = await createService({
        world,
        folders,
        queue,
        gate,
        host: config.host,
        frontEnd: config.frontEnd,
        desk,
        uploadMaxBytes: Math.round(config.uploadMaxMb * 1e6),
        blobMaxBytes: Math.round(config.blobMaxGb * 1e9),
        retention: retentionOf(config),
        log,
        logs: tail,
      });
      try {
        const url = await service.listen(config.port);
        output.line({ listening: url, url, data: folders.root, library: engine.libraryFolder });
        output.say(`Autochrome answers at ${url} (Ctrl-C stops it). Files are in ${folders.root}.`);
        await stopped;
        output.say("Stopping; prompts that wait or run go on with the next start.");
      } finally {
        await service.close();
      }
    } finally {
      await desk.close();
      await queue.close();
      await cache.clear();
    }
    output.summary({ stopped: true }, "Stopped.");
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}

/** The first signal ends the service in order, a second one at once; so does the end of whoever holds our stdin, if wished. */
async function untilStopped(untilStdinCloses: boolean): Promise<void> {
  const ends = [once(process, "SIGINT"), once(process, "SIGTERM")];
  if (untilStdinCloses) {
    const { stdin } = process;
    stdin.resume(); // what it says does not matter
    const over = Promise.race([once(stdin, "end"), once(stdin, "close")]).catch(() => []);
    ends.push(over);
    over.then(() => setTimeout(() => process.exit(EXIT.interrupted), ORPHAN_MS).unref());
  }
  await Promise.race(ends);
  if (untilStdinCloses) process.stdin.pause(); // it would keep the process
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => process.exit(EXIT.interrupted));
}

/** @throws AutochromeError "usage" where the settings of an identity provider are not complete */
function securityOf(config: Config): SecuritySettings {
  const { host, apiKey, jwksUrl, jwtAudience, jwtIssuer, allowedHosts, cors, rateLimit } = config;
  const common = { host, apiKey, allowedHosts, cors, rateLimit };
  if (jwksUrl !== undefined && jwtAudience !== undefined && jwtIssuer !== undefined) {
    return { ...common, jwt: { jwksUrl, audience: jwtAudience, issuer: jwtIssuer } };
  }
  if (jwksUrl === undefined && jwtAudience === undefined && jwtIssuer === undefined) return common;
  throw new AutochromeError(
    "usage",
    "An identity provider needs three settings: jwksUrl, jwtAudience and jwtIssuer.",
    "Set all of them, or none.",
  );
}

function retentionOf(config: Config): RetentionRules {
  const gigabytes = (count: number) => count * 1e9;
  return {
    input: { maxDays: config.uploadMaxDays, maxBytes: 0 },
    output: { maxDays: config.outputMaxDays, maxBytes: gigabytes(config.outputMaxGb) },
    temp: { maxDays: config.tempMaxDays, maxBytes: gigabytes(config.tempMaxGb) },
  };
}
