// ONNX Runtime with the libraries for CUDA and TensorRT beside it.
//
// ONNX Runtime looks for its provider libraries only in the folder of its own library, and the program's may be read-only.
// So a second installation of onnxruntime-node is made in the cache folder, of hard links where possible, with the
// provider libraries linked in. What those need themselves is looked up by the system's loader: in what a CUDA installation
// told ldconfig, in LD_LIBRARY_PATH, and in the user's folder, which is put in front of it.
//
// Seen with onnxruntime-gpu 1.30.0 of PyPI, which is made for CUDA 13 (`readelf -d`, then loading it piece by piece):
// libonnxruntime_providers_cuda.so wants libcublasLt.so.13, libcublas.so.13, libcurand.so.10, libcudart.so.13 and the
// driver's libcuda.so.1, and libcudnn.so.9 and libcufft.so.12 when a model needs them; with nvidia-cublas,
// nvidia-cuda-runtime and nvidia-curand in the folder only libcuda.so.1 is missing. libonnxruntime_providers_tensorrt.so
// wants libnvinfer.so.10, libnvonnxparser.so.10 and libcudnn.so.9 too. Providers of another version are not refused by
// ONNX Runtime: it reads their memory wrongly. So their version is checked here.
//
// Owns: the folder runtimes in the cache folder. Must never: change the program's or the user's libraries.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { copyFile, link, mkdir, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { temporaryBeside, toErrorRecord } from "../../kernel/index.ts";
import type { Runtime } from "../messages.ts";
import type { Trouble } from "./gpu.ts";

const require = createRequire(import.meta.url);
const packageSchema = z.object({ name: z.string(), version: z.string() });

/** The program's own onnxruntime-node. */
const BUNDLED = packageOf("onnxruntime-node", require.resolve("onnxruntime-node"));
export const ONNX_RUNTIME_VERSION = BUNDLED.version;
const BINARIES = join("bin", "napi-v6", platform(), arch());

const SHARED = "libonnxruntime_providers_shared.so";
const CUDA = "libonnxruntime_providers_cuda.so";
const TENSORRT = "libonnxruntime_providers_tensorrt.so";

/** Where libraries lie in a folder of the user's: side by side, or as pip puts them. */
const FOLDERS = ["", "onnxruntime/capi", "lib", "lib64", "nvidia/*/lib", "tensorrt_libs"];

export interface Library {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly changedMs: number;
}

/** How an administrator gets the libraries, also for a computer without a network. */
export function howToGetLibraries(): string {
  return `For CUDA, run \`pip install --target FOLDER "onnxruntime-gpu[cuda,cudnn]==${ONNX_RUNTIME_VERSION}"\` here or on another Linux computer, and set gpuLibraries (AUTOCHROME_GPU_LIBRARIES) to FOLDER.`;
}

/** All shared libraries of the user's folder; none where it is unset or cannot be read. */
export async function listLibraries(gpuLibraries: string | undefined): Promise<Library[]> {
  if (gpuLibraries === undefined) return [];
  const libraries: Library[] = [];
  for (const place of FOLDERS) {
    const [before = "", after] = place.split("/*/");
    const folders =
      after === undefined
        ? [join(gpuLibraries, place)]
        : (await names(join(gpuLibraries, before))).map((name) => join(gpuLibraries, before, name, after));
    for (const folder of folders) {
      for (const name of await names(folder)) {
        if (!/\.so(\.\d+)*$/.test(name)) continue;
        const found = await stat(join(folder, name)).catch(() => undefined); // broken links are left out
        if (found?.isFile() !== true) continue;
        libraries.push({ path: join(folder, name), name, size: found.size, changedMs: found.mtimeMs });
      }
    }
  }
  return libraries;
}

/**
 * An onnxruntime that has the provider's library beside it.
 * @returns the trouble where there is none
 */
export async function gpuRuntime(
  provider: "cuda" | "tensorrt",
  options: { readonly gpuLibraries?: string | undefined; readonly cacheFolder: string },
): Promise<Runtime | Trouble> {
  const environment = provider === "tensorrt" ? tensorrtEnvironment(options.cacheFolder) : {};
  const needed = provider === "cuda" ? [SHARED, CUDA] : [SHARED, CUDA, TENSORRT];
  if (options.gpuLibraries === undefined) {
    const beside = await names(join(BUNDLED.folder, BINARIES)); // npm can fetch them there
    if (needed.every((name) => beside.includes(name))) {
      await mkdir(options.cacheFolder, { recursive: true }).catch(() => undefined); // for what TensorRT keeps
      return { module: pathToFileURL(BUNDLED.entry).href, environment };
    }
    return {
      why: `The libraries that ONNX Runtime needs for ${provider === "cuda" ? "CUDA" : "TensorRT"} are not installed.`,
      next: howToGetLibraries(),
    };
  }
  const libraries = await listLibraries(options.gpuLibraries);
  const providers: Library[] = [];
  for (const name of needed) {
    const found = libraries.find((library) => library.name === name);
    if (found === undefined) {
      return {
        why: `The folder ${options.gpuLibraries} (setting gpuLibraries) has no ${name}.`,
        next: howToGetLibraries(),
      };
    }
    providers.push(found);
  }
  try {
    const folder = await makeRuntime(providers, options.cacheFolder);
    if (folder === undefined) {
      return {
        why: `The libraries in ${options.gpuLibraries} are not those of ONNX Runtime ${ONNX_RUNTIME_VERSION}.`,
        next: howToGetLibraries(),
      };
    }
    const node = join(folder, "node_modules", "onnxruntime-node");
    // The user's folder may hold another libonnxruntime.so.1, and these paths come before the one beside the module.
    const paths = new Set([join(node, BINARIES), ...libraries.map((library) => dirname(library.path))]);
    const before = process.env.LD_LIBRARY_PATH;
    return {
      module: pathToFileURL(join(node, "dist", "index.js")).href,
      environment: {
        ...environment,
        LD_LIBRARY_PATH: [...paths, ...(before === undefined ? [] : [before])].join(delimiter),
      },
    };
  } catch (thrown) {
    const { message, next, detail } = toErrorRecord(thrown, options.cacheFolder);
    return { why: message, next, ...(detail === undefined ? {} : { detail }) };
  }
}

/** TensorRT takes minutes to prepare a network for a size: what it made is kept. */
function tensorrtEnvironment(cacheFolder: string): Record<string, string> {
  return {
    ORT_TENSORRT_ENGINE_CACHE_ENABLE: "1",
    ORT_TENSORRT_CACHE_PATH: join(cacheFolder, "tensorrt"), // it makes the folder
  };
}

/** @returns the folder; undefined where the libraries are of another version */
async function makeRuntime(providers: readonly Library[], cacheFolder: string): Promise<string | undefined> {
  const key = createHash("sha256")
    .update(JSON.stringify([BUNDLED.folder, ONNX_RUNTIME_VERSION, providers]))
    .digest("hex");
  const target = join(cacheFolder, "runtimes", key.slice(0, 24));
  if ((await stat(target).catch(() => undefined)) !== undefined) return target;
  const cuda = providers.find((library) => library.name === CUDA);
  if (cuda === undefined || !(await contains(cuda.path, `${ONNX_RUNTIME_VERSION}\0`))) return undefined;
  await mkdir(dirname(target), { recursive: true });
  const temporary = temporaryBeside(target, "");
  try {
    const modules = join(temporary, "node_modules");
    const node = join(modules, "onnxruntime-node");
    const common = packageOf(
      "onnxruntime-common",
      createRequire(BUNDLED.entry).resolve("onnxruntime-common"),
    );
    await linkTree(join(BUNDLED.folder, "dist"), join(node, "dist"));
    await linkOrCopy(join(BUNDLED.folder, "package.json"), join(node, "package.json"));
    await linkTree(join(BUNDLED.folder, BINARIES), join(node, BINARIES));
    await linkTree(join(common.folder, "dist"), join(modules, "onnxruntime-common", "dist"));
    await linkOrCopy(
      join(common.folder, "package.json"),
      join(modules, "onnxruntime-common", "package.json"),
    );
    for (const { name, path } of providers) {
      await rm(join(node, BINARIES, name), { force: true });
      await symlink(path, join(node, BINARIES, name));
    }
    await rename(temporary, target).catch(async (error) => {
      // Another process may have been quicker.
      if ((await stat(target).catch(() => undefined)) === undefined) throw error;
    });
    return target;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else await linkOrCopy(source, target);
  }
}

/** A symbolic link would not do: Node and the loader would look beside the file that it points to. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to)); // another disk, or no right to link
}

/** Whether a file holds an ASCII text. It is read in pieces: it may be large. */
async function contains(path: string, text: string): Promise<boolean> {
  let rest = Buffer.alloc(0);
  for await (const piece of createReadStream(path, { highWaterMark: 4 * 1024 * 1024 })) {
    const bytes = Buffer.concat([rest, piece]);
    if (bytes.includes(text)) return true;
    rest = bytes.subarray(-text.length);
  }
  return false;
}

async function names(folder: string): Promise<string[]> {
  return (await readdir(folder).catch((): string[] => [])).sort();
}

/** The package that a module belongs to: the nearest folder above it whose package.json has this name. */
function packageOf(name: string, entry: string): { entry: string; folder: string; version: string } {
  for (let folder = dirname(entry); ; folder = dirname(folder)) {
    try {
      const parsed = packageSchema.safeParse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
      if (parsed.data?.name === name) return { entry, folder, version: parsed.data.version };
    } catch {
      // no package.json here
    }
    if (dirname(folder) === folder) throw new Error(`no package ${name} around ${entry}`);
  }
}
