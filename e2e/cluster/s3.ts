// Real S3 servers for tests: versitygw, and rclone's "serve s3". Each runs on a free loopback port over a
// temporary folder of its own, with its own credentials. Never reaches a store elsewhere.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Found, findOrBuild, type GoProgram } from "./go.ts";

/** The servers that there are. */
export const S3_KINDS = ["versitygw", "rclone"] as const;
export type S3Kind = (typeof S3_KINDS)[number];

const PROGRAMS: Record<S3Kind, GoProgram> = {
  versitygw: { name: "versitygw", module: "github.com/versity/versitygw/cmd/versitygw@v1.8.0" },
  rclone: { name: "s3-server", folder: "./s3-server/" },
};
const START_MS = 60_000;

export interface S3Server {
  /** http://127.0.0.1:PORT, for path-style requests. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** An empty bucket that exists. */
  readonly bucket: string;
  /** Folder that holds the bucket's objects as files. */
  readonly files: string;
  /** Ends the process as a kill does; the endpoint then refuses. */
  down(): Promise<void>;
  /** Starts it again on the same port, with what it had. */
  up(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** The server's program as it was built before, or built when AUTOCHROME_CLUSTER_TESTS=1; else why not. */
export function findS3Server(kind: S3Kind): Found | Promise<Found> {
  return findOrBuild(PROGRAMS[kind]);
}

/** Starts a server; resolves when it answers. Fails when its program is missing. */
export async function startS3Server(kind: S3Kind): Promise<S3Server> {
  const program = await findS3Server(kind);
  if (program.path === undefined) throw new Error(program.missing);
  const path = program.path;
  const folder = await mkdtemp(join(tmpdir(), "autochrome-s3-"));
  const bucket = "photos";
  const files = join(folder, "data", bucket);
  await mkdir(files, { recursive: true });
  await mkdir(join(folder, "meta"));
  const port = await freePort();
  const keys = { accessKeyId: "test-access-key", secretAccessKey: "test-secret-key-of-no-use-elsewhere" };
  let child: ChildProcess | undefined;
  const down = async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child?.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
    child = undefined;
  };
  const up = async () => {
    if (child !== undefined) return;
    const words = argumentsOf(kind, folder, port, keys);
    child = spawn(path, words, { stdio: ["ignore", "ignore", "pipe"] });
    await waitUntilItAnswers(child, port);
  };
  try {
    await up();
  } catch (error) {
    await down();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    ...keys,
    bucket,
    files,
    down,
    up,
    stop: async () => {
      await down();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function argumentsOf(
  kind: S3Kind,
  folder: string,
  port: number,
  keys: { accessKeyId: string; secretAccessKey: string },
): string[] {
  const data = join(folder, "data");
  const address = `127.0.0.1:${port}`;
  if (kind === "versitygw") {
    // Metadata beside the objects, for file systems without extended attributes.
    const posix = ["posix", "--sidecar", join(folder, "meta"), data];
    return [
      ...["--access", keys.accessKeyId, "--secret", keys.secretAccessKey, "--region", "us-east-1"],
      ...["--port", address, "--quiet", ...posix],
    ];
  }
  const key = `${keys.accessKeyId},${keys.secretAccessKey}`;
  const own = ["--config", join(folder, "rclone.conf"), "--cache-dir", join(folder, "cache")];
  return ["serve", "s3", "--addr", address, "--auth-key", key, ...own, data];
}

async function waitUntilItAnswers(child: ChildProcess, port: number): Promise<void> {
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    if (child.exitCode !== null) break;
    try {
      // Any answer will do, a refusal for want of a signature included.
      await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`The S3 server did not start: ${errors}`);
}

/** A port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}
