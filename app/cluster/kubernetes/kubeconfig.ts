// Where the cluster is and who we are there, as kubectl would find it.
//
// Owns: which kubeconfig files count, how several become one, what is inside. client-node's own loader differs from kubectl
// in what matters here (with two files that name the same context it fails, of two current contexts it takes the last, a
// file of the list that is missing ends it, `tokenFile` is ignored, on Windows it waits for wsl.exe), so only its YAML is used.
// Must never: write a kubeconfig, or keep a secret any longer than the plain value it gives back lives.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";

/** What the settings say about it. */
export interface ClusterSettings {
  /** Path of a kubeconfig; undefined: as kubectl finds it. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

const execSchema = z.object({
  apiVersion: z.string().default("client.authentication.k8s.io/v1"),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().nullish(),
  provideClusterInfo: z.boolean().nullish(),
  interactiveMode: z.string().nullish(),
});

const userSchema = z.object({
  token: z.string().nullish(),
  tokenFile: z.string().nullish(),
  username: z.string().nullish(),
  password: z.string().nullish(),
  "client-certificate": z.string().nullish(),
  "client-certificate-data": z.string().nullish(),
  "client-key": z.string().nullish(),
  "client-key-data": z.string().nullish(),
  as: z.string().nullish(),
  "as-uid": z.string().nullish(),
  "as-groups": z.array(z.string()).nullish(),
  exec: execSchema.nullish(),
  "auth-provider": z
    .object({ name: z.string(), config: z.record(z.string(), z.string()).nullish() })
    .nullish(),
});

const clusterSchema = z.object({
  server: z.string().min(1),
  "certificate-authority": z.string().nullish(),
  "certificate-authority-data": z.string().nullish(),
  "insecure-skip-tls-verify": z.boolean().nullish(),
  "tls-server-name": z.string().nullish(),
  "proxy-url": z.string().nullish(),
  extensions: z.array(z.object({ name: z.string(), extension: z.unknown() })).nullish(),
});

const contextSchema = z.object({
  cluster: z.string().default(""),
  user: z.string().default(""),
  namespace: z.string().nullish(),
});

const fileSchema = z.object({
  "current-context": z.string().nullish(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullish() })).nullish(),
});

export type ClusterUser = z.infer<typeof userSchema>;
export type ExecPlugin = z.infer<typeof execSchema>;

/** One cluster and how to speak to it. Holds secrets: it stays in this room. */
export interface Access {
  /** Of the context. */
  readonly name: string;
  /** Address without a slash at its end. */
  readonly server: string;
  readonly namespace: string;
  /** PEM; undefined: the authorities that Node trusts. */
  readonly ca: string | undefined;
  readonly insecure: boolean;
  readonly serverName: string | undefined;
  readonly proxyUrl: string | undefined;
  readonly user: ClusterUser;
  /** What the cluster's entry tells exec plug-ins. */
  readonly execConfig: unknown;
}

/**
 * The contexts to choose from; none where there is no kubeconfig.
 * @throws AutochromeError "usage" where it cannot be read or is not valid
 */
export async function listContexts(
  settings: Pick<ClusterSettings, "kubeconfig">,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly contexts: readonly string[]; readonly current: string | undefined }> {
  const files = await readFiles(settings, environment);
  return {
    contexts: [...new Set(files.flatMap(({ contexts }) => contexts ?? []).map(({ name }) => name))],
    current: files.map((file) => file["current-context"]).find(Boolean) ?? undefined,
  };
}

const IN_CLUSTER = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Reads the kubeconfig: the given file; else those of KUBECONFIG as one; else ~/.kube/config; else, inside a pod, its
 * ServiceAccount.
 * @throws AutochromeError "usage" where there is none, it cannot be read, or the context is not in it
 */
export async function readAccess(
  settings: ClusterSettings,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Access> {
  const paths = filesOf(settings, environment);
  const files = await readFiles(settings, environment);
  // Of what several files say, the first one counts.
  const clusters = files.flatMap(({ clusters }) => clusters ?? []);
  const contexts = files.flatMap(({ contexts }) => contexts ?? []);
  const users = files.flatMap(({ users }) => users ?? []);
  if (contexts.length === 0 && clusters.length === 0) {
    const inside = inCluster(settings, environment);
    if (inside !== undefined) return inside;
    throw usage(
      paths.length === 0 || files.length === 0
        ? `There is no kubeconfig (looked for ${paths.join(", ") || "none"}).`
        : `No cluster is in ${paths.join(", ")}.`,
      "Get one from who runs the cluster, and set its path as kubeconfig.",
    );
  }
  const wish = settings.context ?? files.map((file) => file["current-context"]).find(Boolean);
  const names = contexts.map(({ name }) => name).join(", ");
  if (!wish) throw usage("The kubeconfig names no current context.", `Set kubeContext to one of: ${names}.`);
  const context = contexts.find(({ name }) => name === wish)?.context;
  if (context === undefined)
    throw usage(`The context “${wish}” is not in the kubeconfig.`, `Set kubeContext to one of: ${names}.`);
  const cluster = clusters.find(({ name }) => name === context.cluster)?.cluster;
  const user = users.find(({ name }) => name === context.user)?.user;
  if (cluster === undefined)
    throw usage(
      `The context “${wish}” names the cluster “${context.cluster}”, which the kubeconfig does not have.`,
      "Correct the kubeconfig, or choose another context.",
    );
  if (context.user !== "" && user === undefined)
    throw usage(
      `The context “${wish}” names the user “${context.user}”, whom the kubeconfig does not have.`,
      "Correct the kubeconfig, or choose another context.",
    );
  const server = URL.parse(cluster.server);
  if (server === null || (server.protocol !== "https:" && server.protocol !== "http:"))
    throw usage(`The cluster's address “${cluster.server}” is not one.`, "Correct it in the kubeconfig.");
  return {
    name: wish,
    server: server.href.replace(/\/+$/, ""),
    namespace: settings.namespace ?? (context.namespace || "default"),
    ca: pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
    insecure: cluster["insecure-skip-tls-verify"] ?? false,
    serverName: cluster["tls-server-name"] || undefined,
    proxyUrl: cluster["proxy-url"] || undefined,
    user: user ?? {},
    execConfig: cluster.extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec")
      ?.extension,
  };
}

/** PEM from what stands in the kubeconfig itself or else in a file. @throws AutochromeError "usage" */
export function pem(data: string | null | undefined, path: string | null | undefined): string | undefined {
  if (data) return Buffer.from(data, "base64").toString("utf8");
  return path ? read(path) : undefined;
}

/** A file that the kubeconfig names. @throws AutochromeError "usage" */
export function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw usage(
      `${path}, which access to the cluster needs, cannot be read.`,
      "Check the file, or the kubeconfig that names it.",
      cause,
    );
  }
}

function filesOf({ kubeconfig }: ClusterSettings, environment: NodeJS.ProcessEnv): string[] {
  if (kubeconfig !== undefined) return [resolve(kubeconfig)];
  const listed = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (listed.length > 0) return listed.map((path) => resolve(path));
  return [join(environment.HOME || environment.USERPROFILE || homedir(), ".kube", "config")];
}

/** Of a list, files that are missing do not count; one that was named has to be there. */
async function readFiles(
  settings: ClusterSettings,
  environment: NodeJS.ProcessEnv,
): Promise<z.infer<typeof fileSchema>[]> {
  const files = [];
  for (const path of filesOf(settings, environment))
    if (settings.kubeconfig !== undefined || existsSync(path)) files.push(await readFile(path));
  return files;
}

async function readFile(path: string): Promise<z.infer<typeof fileSchema>> {
  const text = read(path);
  const { loadYaml } = await import("@kubernetes/client-node"); // large; most never use a cluster
  let file: z.infer<typeof fileSchema>;
  try {
    file = text.trim() === "" ? {} : fileSchema.parse(loadYaml(text));
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const where = issue === undefined ? "" : ` (${issue.path.join(".")}: ${issue.message})`;
    throw usage(
      `${path} is not a valid kubeconfig${where}.`,
      "Correct it, or get a new one.",
      issue === undefined ? cause : undefined,
    );
  }
  // Paths are meant from the folder of the file.
  const here = (name: string | null | undefined) =>
    name && !isAbsolute(name) ? join(dirname(path), name) : name;
  for (const { cluster } of file.clusters ?? [])
    cluster["certificate-authority"] = here(cluster["certificate-authority"]);
  for (const { user } of file.users ?? []) {
    if (!user) continue;
    user["client-certificate"] = here(user["client-certificate"]);
    user["client-key"] = here(user["client-key"]);
    user.tokenFile = here(user.tokenFile);
    if (user.exec && /[/\\]/.test(user.exec.command)) user.exec.command = here(user.exec.command) ?? "";
  }
  return file;
}

/** What a pod finds where it runs. */
function inCluster(settings: ClusterSettings, environment: NodeJS.ProcessEnv): Access | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = environment;
  const tokenFile = join(IN_CLUSTER, "token");
  if (!host || !existsSync(tokenFile)) return undefined;
  return {
    name: "in-cluster",
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: settings.namespace ?? read(join(IN_CLUSTER, "namespace")).trim(),
    ca: read(join(IN_CLUSTER, "ca.crt")),
    insecure: false,
    serverName: undefined,
    proxyUrl: undefined,
    user: { tokenFile },
    execConfig: undefined,
  };
}

function usage(message: string, next: string, cause?: unknown): AutochromeError {
  return new AutochromeError("usage", message, next, cause === undefined ? undefined : { cause });
}
