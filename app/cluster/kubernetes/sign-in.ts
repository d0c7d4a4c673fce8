// Who we are to the cluster: tokens and certificates, kept until they are about to end.
//
// Owns: tokens from files, exec plug-ins, OIDC. client-node's plug-ins get neither a time limit nor KUBERNETES_EXEC_INFO
// (which those of GKE and AKS want), and keep their answer after the cluster refused it; its OIDC takes the seconds until
// a token ends for a date, and loses the refresh token where no new one comes. So both are done here.
// Must never: log or print a credential, or write one to the disk.
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { EnvHttpProxyAgent, fetch } from "undici";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { type Access, type ExecPlugin, pem, read } from "./kubeconfig.ts";

/** What a request has to carry. */
export interface Credentials {
  /** Repeated where there are several values. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** PEM of a client certificate. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface SignIn {
  /** @throws AutochromeError "cluster-sign-in" where they cannot be had */
  credentials(): Promise<Credentials>;
  /** The cluster did not accept them: the next ones are got anew. */
  forget(): void;
}

interface Grant {
  readonly token?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Milliseconds since 1970; undefined: holds until it is refused. */
  readonly until?: number | undefined;
}

/** A plug-in may open a browser and wait for somebody to sign in. */
const PLUGIN_MS = 120_000;
const ISSUER_MS = 30_000;
/** Tokens are renewed so long before their end. */
const EARLY_MS = 15_000;
/** As long as kubectl's library keeps what it read from a token file. */
const FILE_MS = 60_000;

export function createSignIn(
  access: Access,
  environment: NodeJS.ProcessEnv = process.env,
  pluginMs: number = PLUGIN_MS,
): SignIn {
  const { user } = access;
  let grant: Promise<Grant> | undefined;
  let until = Number.POSITIVE_INFINITY;
  let refreshToken = user["auth-provider"]?.config?.["refresh-token"];
  let refused = false;

  async function get(): Promise<Grant> {
    if (user.exec) return runPlugin(user.exec, access, environment, pluginMs);
    // A file counts for more than a token beside it, as with kubectl.
    if (user.tokenFile) return { token: read(user.tokenFile).trim(), until: Date.now() + FILE_MS };
    if (user.token) return { token: user.token };
    const provider = user["auth-provider"];
    if (!provider) return {};
    if (provider.name !== "oidc")
      throw signIn(
        `The kubeconfig signs in with “${provider.name}”, which Kubernetes has given up.`,
        "Get a new kubeconfig from your cloud's tool: it will name a plug-in instead.",
      );
    const config = provider.config ?? {};
    const present = config["id-token"];
    const end = present === undefined ? 0 : endOf(present);
    if (present !== undefined && !refused && Date.now() < end - EARLY_MS)
      return { token: present, until: end };
    const fresh = await refresh(config, refreshToken);
    refreshToken = fresh.refreshToken ?? refreshToken;
    return { token: fresh.token, until: endOf(fresh.token) };
  }

  return {
    async credentials() {
      if (grant === undefined || Date.now() >= until - EARLY_MS) {
        until = Number.POSITIVE_INFINITY; // whoever asks meanwhile waits for the same answer
        grant = get();
        grant.then(
          (fresh) => {
            // Never sooner again than in a second, whatever this computer's clock says about its end.
            until = Math.max(fresh.until ?? Number.POSITIVE_INFINITY, Date.now() + EARLY_MS + 1000);
          },
          () => {
            grant = undefined;
          },
        );
      }
      const { token, cert, key } = await grant;
      const headers: Record<string, string | string[]> = {};
      if (token) headers.authorization = `Bearer ${token}`;
      else if (user.username)
        headers.authorization = `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
      if (user.as) headers["impersonate-user"] = user.as;
      if (user["as-uid"]) headers["impersonate-uid"] = user["as-uid"];
      if (user["as-groups"]?.length) headers["impersonate-group"] = user["as-groups"];
      return {
        headers,
        cert: cert ?? pem(user["client-certificate-data"], user["client-certificate"]),
        key: key ?? pem(user["client-key-data"], user["client-key"]),
      };
    },
    forget() {
      grant = undefined;
      refused = true;
    },
  };
}

/**
 * PATH and the folders where people's tools are: a program that was started from the dock or the menu does not get what
 * a shell's files add.
 */
export function repairedPath(environment: NodeJS.ProcessEnv): string {
  const present = (environment.PATH ?? environment.Path ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "");
  if (process.platform === "win32") return present.join(delimiter);
  const home = environment.HOME || homedir();
  const usual = [
    ...[
      "/opt/homebrew/bin",
      "/usr/local/bin",
      "/home/linuxbrew/.linuxbrew/bin",
      "/usr/bin",
      "/bin",
      "/snap/bin",
    ],
    ...[
      "/usr/lib/google-cloud-sdk/bin",
      "/opt/homebrew/share/google-cloud-sdk/bin",
      "/usr/local/google-cloud-sdk/bin",
    ],
    ...[
      "google-cloud-sdk/bin",
      ".local/bin",
      "bin",
      ".krew/bin",
      ".asdf/shims",
      ".local/share/mise/shims",
      "go/bin",
    ].map((folder) => join(home, folder)),
  ];
  return [...new Set([...present, ...usual])].join(delimiter);
}

const execCredentialSchema = z.object({
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
});

async function runPlugin(
  plugin: ExecPlugin,
  access: Access,
  environment: NodeJS.ProcessEnv,
  limitMs: number,
): Promise<Grant> {
  if (plugin.interactiveMode === "Always")
    throw signIn(
      `Signing in with ${plugin.command} wants a terminal.`,
      "Sign in there once (`kubectl get pods`) and ask for a kubeconfig that works without.",
    );
  const path = repairedPath(environment);
  const info = {
    apiVersion: plugin.apiVersion,
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(plugin.provideClusterInfo
        ? {
            cluster: {
              server: access.server,
              ...(access.ca === undefined
                ? {}
                : { "certificate-authority-data": Buffer.from(access.ca).toString("base64") }),
              ...(access.insecure ? { "insecure-skip-tls-verify": true } : {}),
              ...(access.serverName === undefined ? {} : { "tls-server-name": access.serverName }),
              ...(access.proxyUrl === undefined ? {} : { "proxy-url": access.proxyUrl }),
              ...(access.execConfig === undefined ? {} : { config: access.execConfig }),
            },
          }
        : {}),
    },
  };
  const { code, stdout, stderr, missing, late } = await outcomeOf(
    whereIs(plugin.command, path),
    plugin.args ?? [],
    {
      ...environment,
      PATH: path,
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
      ...Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
    },
    limitMs,
  );
  if (missing)
    throw signIn(
      `The program ${plugin.command}, which signs in to the cluster, is not there.`,
      plugin.installHint?.trim() || "Install it, or correct the kubeconfig that names it.",
      `looked in ${path}`,
    );
  const words = stderr.trim().slice(-500);
  const signInAgain = `Run \`kubectl get pods --context ${access.name}\` in a terminal and sign in again.`;
  if (late) throw signIn(`${plugin.command} did not finish signing in to the cluster.`, signInAgain, words);
  if (code !== 0)
    throw signIn(
      `${plugin.command} could not sign in to the cluster${words === "" ? "" : `: ${lastLine(words)}`}.`,
      signInAgain,
      words,
    );
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = undefined;
  }
  const parsed = execCredentialSchema.safeParse(answer);
  if (!parsed.success)
    throw signIn(
      `What ${plugin.command} answered is no credential.`,
      "Bring it up to date; see the note of your cluster's provider.",
      words,
    );
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = parsed.data.status;
  const until = expirationTimestamp === undefined ? Number.NaN : Date.parse(expirationTimestamp);
  return {
    token,
    cert: clientCertificateData,
    key: clientKeyData,
    until: Number.isNaN(until) ? undefined : until,
  };
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly missing: boolean;
  readonly late: boolean;
}

function outcomeOf(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  limitMs: number,
): Promise<Outcome> {
  return new Promise((done) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    let stdout = "";
    let stderr = "";
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
      // What it started may hold the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
    }, limitMs);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(0, 1_000_000);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-10_000);
    });
    const end = (code: number | null, missing: boolean) => {
      clearTimeout(timer);
      done({ code, stdout, stderr, missing, late });
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      stderr += error.message;
      end(null, error.code === "ENOENT");
    });
    child.on("close", (code) => end(code, false));
  });
}

/** Node looks a command up in the PATH of this process, not in the one that the child gets. */
function whereIs(command: string, path: string): string {
  if (/[/\\]/.test(command)) return command;
  const endings = process.platform === "win32" ? [".exe", ".com", ""] : [""];
  for (const folder of path.split(delimiter))
    for (const ending of endings) {
      const file = join(folder, command + ending);
      if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    }
  return command;
}

/** When a JWT ends, in milliseconds since 1970; 0 where it does not say so. */
function endOf(jwt: string): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"));
    return z.object({ exp: z.number() }).parse(payload).exp * 1000;
  } catch {
    return 0;
  }
}

const issuerSchema = z.object({ token_endpoint: z.url() });
const tokenSchema = z.object({ id_token: z.string(), refresh_token: z.string().optional() });

/** A new token from the identity provider. What it gives stays in memory: the kubeconfig is not ours to write. */
async function refresh(
  config: Readonly<Record<string, string>>,
  refreshToken: string | undefined,
): Promise<{ token: string; refreshToken: string | undefined }> {
  const again = "Sign in again in a terminal, with the tool that made the kubeconfig.";
  const issuer = config["idp-issuer-url"];
  const id = config["client-id"];
  if (!issuer || !id || !refreshToken) throw signIn("The sign-in to the cluster has ended.", again);
  const secret = config["client-secret"] ?? "";
  try {
    const ca = pem(config["idp-certificate-authority-data"], config["idp-certificate-authority"]);
    const dispatcher = new EnvHttpProxyAgent(ca === undefined ? {} : { connect: { ca } });
    try {
      const signal = AbortSignal.timeout(ISSUER_MS);
      const found = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
        dispatcher,
        signal,
      });
      const endpoint = issuerSchema.parse(await found.json()).token_endpoint;
      const answer = await fetch(endpoint, {
        method: "POST",
        dispatcher,
        signal,
        body: new URLSearchParams({
          grant_type: "refresh_token",
          refresh_token: refreshToken,
          client_id: id,
          ...(secret === "" ? {} : { client_secret: secret }),
        }),
      });
      if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 300)}`);
      const tokens = tokenSchema.parse(await answer.json());
      return { token: tokens.id_token, refreshToken: tokens.refresh_token };
    } finally {
      await dispatcher.close();
    }
  } catch (cause) {
    throw new AutochromeError(
      "cluster-sign-in",
      `The sign-in to the cluster has ended, and ${URL.parse(issuer)?.host ?? "the identity provider"} did not renew it.`,
      again,
      { cause },
    );
  }
}

function lastLine(text: string): string {
  return (text.trim().split("\n").at(-1) ?? "").replace(/\.$/, "");
}

function signIn(message: string, next: string, detail?: string): AutochromeError {
  return new AutochromeError(
    "cluster-sign-in",
    message,
    next,
    detail === undefined || detail === "" ? undefined : { detail },
  );
}
