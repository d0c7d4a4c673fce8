// S3 servers for the tests: real ones, where there are any. Owns: finding, starting and ending them.
// Must never: be imported by anything but tests, or reach a store that nobody named.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  stop(): Promise<void>;
}

export interface S3Choice {
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly missing?: string;
  start(): Promise<S3Server>;
}

const BUCKET = "photos";
const ACCESS = "test-access-key";
const SECRET = "test-secret-key-of-no-use-elsewhere";

/**
 * Servers to try: those that AUTOCHROME_TEST_S3 names ("endpoint,key,secret,bucket", several separated by ";"), and
 * programs that are in PATH or among Go's.
 */
export function s3Choices(environment: NodeJS.ProcessEnv = process.env): S3Choice[] {
  const named = (environment.AUTOCHROME_TEST_S3 ?? "").split(";").flatMap((text): S3Choice[] => {
    const [endpoint, accessKeyId, secretAccessKey, bucket] = text.split(",").map((word) => word.trim());
    if (endpoint === undefined || accessKeyId === undefined || secretAccessKey === undefined) return [];
    const server = { endpoint, accessKeyId, secretAccessKey, bucket: bucket ?? BUCKET };
    return [{ name: endpoint, start: async () => ({ ...server, stop: async () => undefined }) }];
  });
  const programs = Object.entries(PROGRAMS).map(([name, words]): S3Choice => {
    const path = find(name, environment);
    return path === undefined
      ? { name, missing: `${name} is neither in PATH nor among Go's programs`, start: () => Promise.reject() }
      : { name, start: () => startProgram(path, words) };
  });
  return [...named, ...programs];
}

interface Place {
  readonly folder: string;
  readonly data: string;
  readonly port: number;
}

/** Command lines. */
const PROGRAMS: Readonly<Record<string, (place: Place) => Promise<string[]>>> = {
  versitygw: async ({ folder, data, port }) => {
    await mkdir(join(data, BUCKET));
    // metadata beside the objects, for file systems without extended attributes
    const posix = ["posix", "--sidecar", join(folder, "meta"), data];
    await mkdir(join(folder, "meta"));
    return ["--access", ACCESS, "--secret", SECRET, "--port", `127.0.0.1:${port}`, "--quiet", ...posix];
  },
  weed: async ({ folder, data, port }) => {
    const config = join(folder, "s3.json");
    const identity = {
      name: "test",
      credentials: [{ accessKey: ACCESS, secretKey: SECRET }],
      actions: ["Admin", "Read", "Write", "List"],
    };
    await writeFile(config, JSON.stringify({ identities: [identity] }));
    const [master, volume, filer] = [await freePort(), await freePort(), await freePort()];
    return [
      ...["server", "-ip=127.0.0.1", `-dir=${data}`, `-master.port=${master}`, `-volume.port=${volume}`],
      ...[
        `-filer.port=${filer}`,
        `-master.port.grpc=${await freePort()}`,
        `-volume.port.grpc=${await freePort()}`,
      ],
      ...[`-filer.port.grpc=${await freePort()}`, "-master.volumeSizeLimitMB=64", "-volume.max=50"],
      ...["-s3", `-s3.port=${port}`, `-s3.port.grpc=${await freePort()}`, `-s3.config=${config}`],
    ];
  },
  rclone: async ({ folder, data, port }) => {
    await mkdir(join(data, BUCKET));
    const own = ["--config", join(folder, "rclone.conf"), "--cache-dir", join(folder, "cache")];
    return ["serve", "s3", "--addr", `127.0.0.1:${port}`, "--auth-key", `${ACCESS},${SECRET}`, ...own, data];
  },
};

async function startProgram(path: string, words: (place: Place) => Promise<string[]>): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-s3-"));
  const data = join(folder, "data");
  await mkdir(data);
  const port = await freePort();
  const child = spawn(path, await words({ folder, data, port }), {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await rm(folder, { recursive: true, force: true });
  };
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await untilItAnswers(child, endpoint);
    return { endpoint, accessKeyId: ACCESS, secretAccessKey: SECRET, bucket: BUCKET, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilItAnswers(child: ChildProcess, endpoint: string): Promise<void> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  for (let attempt = 0; attempt < 600 && child.exitCode === null; attempt++) {
    const answer = await fetch(endpoint).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer !== undefined) return; // a refusal is an answer too
    await sleep(100);
  }
  throw new Error(`The S3 server did not start: ${said}`);
}

function find(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const goPath = environment.GOPATH ?? join(homedir(), "go");
  const folders = [
    ...(environment.PATH ?? "").split(delimiter),
    ...goPath.split(delimiter).map((path) => join(path, "bin")),
  ];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, process.platform === "win32" ? `${name}.exe` : name))
    .find((path) => existsSync(path));
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}
