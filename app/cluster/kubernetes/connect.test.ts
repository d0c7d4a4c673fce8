import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectCluster } from "./connect.ts";
import { environmentProxy } from "./network.ts";
import {
  JOBS,
  kubeconfigFor,
  makeCertificate,
  PODS,
  QUICK,
  startFakeApi,
  status,
  useBench,
} from "./testing.ts";

const bench = useBench();
const LIST = { verb: "list", resource: "pods", path: PODS } as const;
/** The mischief for the first so many requests. */
const first = (count: number, mischief: ReturnType<typeof bench.api.mischief>) => {
  let left = count;
  bench.api.mischief = () => (left-- > 0 ? mischief : undefined);
};

test.each([
  ["a connection that breaks", { reset: true } as const],
  ["an answer that ends in its middle", { cut: true } as const],
  ["500", status(500, "InternalError", "etcd has no leader")],
  ["503", { status: 503 }],
  ["429", status(429, "TooManyRequests", "too many")],
])("%s is waited out, and every try is counted", async (_, mischief) => {
  const cluster = await bench.connect();
  first(2, mischief);
  expect(await cluster.ask(LIST)).toMatchObject({ status: 200, body: { items: [] } });
  expect(bench.api.seen).toHaveLength(3);
  expect(cluster.calls()).toEqual({ "list pods": 3 });
});

test("a server that takes the question and never answers does not hold us up", async () => {
  const cluster = await bench.connect({ timeoutMs: 200 });
  first(1, { hang: true });
  expect((await cluster.ask(LIST)).status).toBe(200);
  bench.api.mischief = () => ({ hang: true });
  await expect(cluster.ask({ ...LIST, tries: 1 })).rejects.toMatchObject({
    ...{ code: "cluster-unreachable", message: expect.stringContaining("it does not answer") },
  });
});

test("Retry-After is minded, within bounds", async () => {
  const later = {
    ...status(429, "TooManyRequests", "later"),
    status: 429,
    headers: { "retry-after": "3600" },
  };
  const bounded = await bench.connect({ backoffMs: 0, longestWaitMs: 20 });
  first(1, later);
  expect((await bounded.ask(LIST)).status).toBe(200);
  const patient = await bench.connect({ backoffMs: 0, longestWaitMs: 3_600_000 });
  bench.api.mischief = () => later;
  const before = bench.api.seen.length;
  await expect(patient.ask({ ...LIST, signal: AbortSignal.timeout(500) })).rejects.toMatchObject({
    name: "TimeoutError",
  });
  expect(bench.api.seen.length - before).toBe(1); // without the header it would have been all of them
});

test("what does not pass is told in words", async () => {
  const cluster = await bench.connect({ tries: 2 });
  bench.api.mischief = () => status(503, "ServiceUnavailable", "the server is shutting down");
  await expect(cluster.ask(LIST)).rejects.toMatchObject({
    ...{ code: "cluster-unreachable", detail: expect.stringContaining("shutting down") },
  });
  await bench.api.close();
  await expect(cluster.ask(LIST)).rejects.toMatchObject({
    message: expect.stringContaining("refuses the connection"),
  });
});

test("answers that are the server's own are given back as they are", async () => {
  const cluster = await bench.connect();
  bench.api.mischief = () => status(403, "Forbidden", "no");
  expect(await cluster.ask(LIST)).toMatchObject({ status: 403, body: { reason: "Forbidden" } });
  bench.api.mischief = () => ({ status: 200, headers: { warning: '299 - "would violate \\"x\\""' } });
  expect((await cluster.ask(LIST)).warnings).toEqual(['would violate "x"']);
  expect(bench.api.seen).toHaveLength(2);
});

test("an abort ends a question at once, also while it waits", async () => {
  const cluster = await bench.connect({ backoffMs: 60_000, longestWaitMs: 60_000 });
  for (const mischief of [{ hang: true } as const, { reset: true } as const]) {
    bench.api.mischief = () => mischief;
    const reason = new Error("enough");
    const controller = new AbortController();
    const asked = cluster.ask({ ...LIST, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(asked).rejects.toBe(reason);
  }
});

test("connections are kept", async () => {
  const cluster = await bench.connect();
  for (let i = 0; i < 20; i++) await cluster.ask(LIST);
  expect(bench.api.connections()).toBeLessThanOrEqual(2); // a second one where the first is not free yet
});

test("a token that has expired is got anew, once", async () => {
  const tokenFile = join(bench.folder, "token");
  await writeFile(tokenFile, "old");
  const cluster = await bench.connect({}, { tokenFile });
  bench.api.token = "old";
  expect((await cluster.ask(LIST)).status).toBe(200);
  bench.api.token = "new";
  await writeFile(tokenFile, "new");
  expect((await cluster.ask(LIST)).status).toBe(200);
  bench.api.token = "newer";
  await expect(cluster.ask(LIST)).rejects.toMatchObject({ code: "cluster-sign-in" });
  expect(bench.api.seen).toHaveLength(5);
});

test("who signs in again in a terminal is seen: the kubeconfig is read again", async () => {
  bench.api.token = "new";
  const cluster = await bench.connect({}, { token: "old" });
  await bench.write("config", kubeconfigFor({ server: bench.api.url }, { token: "new" }));
  expect((await cluster.ask(LIST)).status).toBe(200);
});

test("a watch gives lines as they come, and ends when it is cut", async () => {
  bench.api.watchMs = 300;
  const cluster = await bench.connect();
  const seen: unknown[] = [];
  const follow = async () => {
    const watch = cluster.watch({ resource: "jobs", path: JOBS, signal: AbortSignal.timeout(10_000) }, 60);
    for await (const change of watch) seen.push(change);
  };
  setTimeout(() => bench.api.announce({ type: "ADDED", object: { metadata: { name: "ä" } } }), 100);
  await expect(follow()).rejects.toMatchObject({ code: "cluster-unreachable" });
  expect(seen).toEqual([{ type: "ADDED", object: { metadata: { name: "ä" } } }]);
  bench.api.mischief = () => status(410, "Expired", "too old resource version");
  await follow();
  expect(seen).toHaveLength(1);
});

test("through the API server's proxy", async () => {
  bench.api.token = "good";
  const cluster = await bench.connect({}, { token: "good" });
  bench.api.mischief = ({ headers }) => ({
    status: 200,
    body: { auth: headers.authorization, key: headers["x-api-key"] },
  });
  const proxied = cluster.proxyFetch("autochrome", 8188);
  const answer = await proxied("http://ignored/blobs/in/abc?part=1", {
    method: "PUT",
    body: JSON.stringify({}),
    headers: { "x-api-key": "k", authorization: "Bearer mine" },
  });
  expect(await answer.json()).toEqual({ auth: "Bearer good", key: "k" });
  const [{ path, query, method } = { path: "" }] = bench.api.seen;
  expect(path).toBe("/api/v1/namespaces/photos/services/autochrome:8188/proxy/blobs/in/abc");
  expect([method, query?.get("part")]).toEqual(["PUT", "1"]);
  expect(cluster.calls()).toEqual({ "proxy services": 1 });
});

test("a server that is none of Kubernetes' is told of", async () => {
  bench.api.mischief = () => ({ status: 200, body: "<html>" });
  await expect((await bench.connect()).version()).rejects.toMatchObject({
    message: expect.stringContaining("not a Kubernetes API server"),
  });
});

test("certificates: the right authority, none, another name, a clock", async ({ skip }) => {
  const good = await makeCertificate(bench.folder, "127.0.0.1");
  const other = await makeCertificate(bench.folder, "other.example");
  if (good === undefined || other === undefined) return skip("openssl is not here");
  const data = (pem: string) => ({ "certificate-authority-data": Buffer.from(pem).toString("base64") });
  const versionOf = async (server: { url: string }, cluster: object) => {
    const kubeconfig = await bench.write(
      "tls",
      kubeconfigFor({ server: server.url, ...cluster }, { token: "t" }),
    );
    const handle = await connectCluster({ kubeconfig }, QUICK);
    try {
      return await handle.version();
    } finally {
      await handle.close();
    }
  };
  const secure = await startFakeApi(good);
  const elsewhere = await startFakeApi(other);
  try {
    expect(await versionOf(secure, data(good.cert))).toMatchObject({ minor: 34 });
    expect(await versionOf(secure, { "insecure-skip-tls-verify": true })).toMatchObject({ minor: 34 });
    await expect(versionOf(secure, data(other.cert))).rejects.toMatchObject({
      ...{ code: "cluster-unreachable", message: expect.stringContaining("certificate is not trusted") },
    });
    await expect(versionOf(secure, {})).rejects.toMatchObject({
      message: expect.stringContaining("certificate is not trusted"),
    });
    await expect(versionOf(elsewhere, data(other.cert))).rejects.toMatchObject({
      message: expect.stringContaining("for another name"),
    });
    expect(
      await versionOf(elsewhere, { ...data(other.cert), "tls-server-name": "other.example" }),
    ).toMatchObject({ minor: 34 });
    expect(secure.seen.concat(elsewhere.seen)).toHaveLength(3); // no certificate trouble is asked again
  } finally {
    await secure.close();
    await elsewhere.close();
  }
});

test("through a proxy of the kubeconfig", async () => {
  const good = await makeCertificate(bench.folder, "127.0.0.1");
  const api = good === undefined ? undefined : await startFakeApi(good);
  const tunnels: string[] = [];
  const proxy = createServer().on("connect", (request, socket, head) => {
    tunnels.push(request.url ?? "");
    const [host, port] = (request.url ?? "").split(":");
    const way = connectSocket(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      way.write(head);
      way.pipe(socket).pipe(way);
    });
    way.on("error", () => socket.destroy());
    socket.on("error", () => way.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    if (api === undefined || good === undefined) return;
    const cluster = {
      server: api.url,
      "proxy-url": url,
      "certificate-authority-data": Buffer.from(good.cert).toString("base64"),
    };
    const handle = await connectCluster(
      { kubeconfig: await bench.write("p", kubeconfigFor(cluster, { token: "t" })) },
      QUICK,
    );
    expect(await handle.version()).toMatchObject({ minor: 34 });
    expect(tunnels).toEqual([new URL(api.url).host]);
    await handle.close();
  } finally {
    proxy.close();
    proxy.closeAllConnections();
    await api?.close();
  }
});

test.each([
  ["https://k8s.example:6443", { HTTPS_PROXY: "p" }, "p"],
  ["https://k8s.example", { HTTP_PROXY: "p" }, undefined],
  ["http://k8s.example", { HTTP_PROXY: "p" }, "p"],
  ["https://k8s.example", { https_proxy: "p", NO_PROXY: "example" }, undefined],
  ["https://k8s.example", { https_proxy: "p", NO_PROXY: ".k8s.example" }, "p"],
  ["https://a.k8s.example", { https_proxy: "p", no_proxy: "b, .k8s.example" }, undefined],
  ["https://notk8s.example", { https_proxy: "p", no_proxy: "k8s.example" }, "p"],
  ["https://k8s.example:6443", { https_proxy: "p", no_proxy: "k8s.example:443" }, "p"],
  ["https://10.1.2.3:6443", { https_proxy: "p", no_proxy: "10.0.0.0/8" }, undefined],
  ["https://11.1.2.3", { https_proxy: "p", no_proxy: "10.0.0.0/8,11.1.2.4" }, "p"],
  ["https://[fd00::1]:6443", { https_proxy: "p", no_proxy: "fd00::/8" }, undefined],
  ["https://127.0.0.1:6443", { https_proxy: "p" }, undefined],
  ["https://k8s.example", { https_proxy: "p", no_proxy: "*" }, undefined],
])("the proxy for %s with %j is %s", (server, environment, proxy) => {
  expect(environmentProxy(server, environment)).toBe(proxy);
});
