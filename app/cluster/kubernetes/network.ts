// The way to the API server: certificates, proxies, and what it means when there is no way.
//
// Owns: undici's dispatchers and the words for their errors.
// Must never: know what is asked.
import { BlockList, isIP } from "node:net";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { AutochromeError } from "../../kernel/index.ts";
import type { Access } from "./kubeconfig.ts";

export interface Certificate {
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * A pool of connections to the cluster. client-node makes a new one for every request, and with it a new TLS connection.
 * @throws AutochromeError "usage" for a proxy that is no address
 */
export function createDispatcher(
  access: Access,
  { cert, key }: Certificate,
  connectMs: number,
  environment: NodeJS.ProcessEnv = process.env,
): Dispatcher {
  const tls = {
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(access.insecure ? { rejectUnauthorized: false } : {}),
    ...(access.serverName === undefined ? {} : { servername: access.serverName }),
  };
  const options = {
    allowH2: false, // one stalled connection must not hold up everything
    // Load balancers forget a silent connection after a minute; a laptop's VPN, whenever it likes.
    keepAliveTimeout: 10_000,
    connect: { ...tls, timeout: connectMs, keepAlive: true, keepAliveInitialDelay: 30_000 },
  };
  const proxy = access.proxyUrl ?? environmentProxy(access.server, environment);
  if (proxy === undefined) return new Agent(options);
  const uri = proxyAddress(proxy);
  // undici knows no socks5h, in which the proxy looks names up; its socks5 does just that.
  return new ProxyAgent({
    allowH2: false,
    keepAliveTimeout: 10_000,
    uri: uri.replace(/^socks5h:/, "socks5:"),
    requestTls: tls,
    proxyTls: { timeout: connectMs },
  });
}

/** The proxy of HTTPS_PROXY or HTTP_PROXY for an address, minding NO_PROXY as Kubernetes' own tools do. */
export function environmentProxy(server: string, environment: NodeJS.ProcessEnv): string | undefined {
  const url = new URL(server);
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const proxy = environment[name] || environment[name.toUpperCase()];
  if (!proxy) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127.")))
    return undefined;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const entries = (environment.no_proxy || environment.NO_PROXY || "").toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => entry !== "" && isMeant(entry, host, port)) ? undefined : proxy;
}

/** "*", a name and all names below it, with a port or not, an address, or a range of addresses. */
function isMeant(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [range, bits] = entry.split("/");
  const family = isIP(range ?? "");
  if (family !== 0) {
    if (isIP(host) !== family || range === undefined) return false;
    if (bits === undefined) return range === host;
    const list = new BlockList();
    const type = family === 4 ? "ipv4" : "ipv6";
    if (!/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false;
    list.addSubnet(range, Number(bits), type);
    return list.check(host, type);
  }
  const [, name = "", only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && only !== port) return false;
  const bare = name.replace(/^\*?\./, "");
  return bare !== "" && (host.endsWith(`.${bare}`) || (host === bare && name === bare));
}

function proxyAddress(text: string): string {
  const address = text.includes("://") ? text : `http://${text}`;
  const protocol = URL.parse(address)?.protocol;
  if (protocol !== undefined && ["http:", "https:", "socks5:", "socks5h:", "socks:"].includes(protocol))
    return address;
  throw new AutochromeError(
    "usage",
    "The proxy for the cluster is not an address that works here.",
    "Write it as http://proxy.example:8080 or socks5://proxy.example:1080, in the kubeconfig's proxy-url or in HTTPS_PROXY.",
  );
}

/** Errors that asking again does not help against: the rest of the words, what to do. */
const LASTING: readonly (readonly [RegExp, string, string])[] = [
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    "its certificate is not valid at this computer's time",
    "Check the date and time of this computer; if they are right, the cluster's certificate has to be renewed.",
  ],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH/,
    "its certificate is for another name",
    "Check the server's address in the kubeconfig, or set tls-server-name there.",
  ],
  [
    /UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_/,
    "its certificate is not trusted",
    "Check certificate-authority-data in the kubeconfig; a proxy of your office needs its authority in NODE_EXTRA_CA_CERTS.",
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/,
    "it does not speak TLS",
    "Check whether the server's address in the kubeconfig should begin with http.",
  ],
  [
    /TLSV\d*_ALERT|SSLV3_ALERT|ERR_OSSL|ERR_SSL/,
    "it does not accept the client certificate",
    "Get a new kubeconfig from who runs the cluster.",
  ],
];

const PASSING: readonly (readonly [RegExp, string, string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, "its name is not known on this network", "Check the network and the VPN."],
  [
    /ECONNREFUSED/,
    "it refuses the connection",
    "Check that the cluster is running and its address is right.",
  ],
  [
    /EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL/,
    "there is no way to it",
    "Check the network and the VPN.",
  ],
  [/TIMEOUT|ETIMEDOUT|TimeoutError/, "it does not answer", "Check the network and the VPN."],
  [
    /ECONNRESET|EPIPE|UND_ERR_SOCKET|PREMATURE|ABORTED|CONTENT_LENGTH/,
    "the connection broke off",
    "Check the network and the VPN.",
  ],
  [/HPE_/, "its answer is not to be understood", "Check the server's address in the kubeconfig."],
  [
    /UND_ERR_PRX|Proxy response|Proxy Authentication|SOCKS/i,
    "the proxy does not let it through",
    "Check the proxy in the kubeconfig (proxy-url) or in HTTPS_PROXY.",
  ],
];

export interface NetworkFault {
  readonly error: AutochromeError;
  /** Whether asking again makes sense. */
  readonly mayPass: boolean;
}

/** An error of the network in words. @throws the error itself where it is none */
export function networkFault(thrown: unknown, server: string): NetworkFault {
  if (!(thrown instanceof Error)) throw thrown;
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  const cause = thrown.cause instanceof Error ? thrown.cause : undefined;
  const causeCode =
    cause !== undefined && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const text = [code, causeCode, thrown.name, code === "" && causeCode === "" ? thrown.message : ""].join(
    " ",
  );
  for (const [list, mayPass] of [
    [LASTING, false],
    [PASSING, true],
  ] as const) {
    const [, reason, next] = list.find(([pattern]) => pattern.test(text)) ?? [];
    if (reason === undefined || next === undefined) continue;
    const { host } = new URL(server);
    return {
      error: new AutochromeError(
        "cluster-unreachable",
        `The cluster at ${host} cannot be reached: ${reason}.`,
        next,
        {
          cause: thrown,
        },
      ),
      mayPass,
    };
  }
  throw thrown;
}
