import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { listContexts, readAccess } from "./kubeconfig.ts";
import { kubeconfigFor, useBench } from "./testing.ts";

const bench = useBench();
const one = kubeconfigFor({ server: "https://one.example:6443/" }, { token: "1" }, "one");
const two = kubeconfigFor({ server: "https://two.example" }, { token: "2" }, "two", "second");

test("the setting counts for more than KUBECONFIG", async () => {
  const kubeconfig = await bench.write("a", one);
  const access = await readAccess({ kubeconfig }, { KUBECONFIG: await bench.write("b", two) });
  expect(access).toMatchObject({ name: "one", server: "https://one.example:6443", namespace: "photos" });
});

test("files of KUBECONFIG are one: what the first says counts, files that are missing do not", async () => {
  const again = kubeconfigFor({ server: "https://wrong.example" }, { token: "x" }, "one");
  const list = [
    join(bench.folder, "none"),
    await bench.write("a", one),
    await bench.write("b", two),
    await bench.write("c", again),
  ];
  const environment = { KUBECONFIG: list.join(delimiter) };
  expect(await readAccess({}, environment)).toMatchObject({
    server: "https://one.example:6443",
    user: { token: "1" },
  });
  expect(await readAccess({ context: "two" }, environment)).toMatchObject({
    server: "https://two.example",
    namespace: "second",
  });
});

test("the contexts to choose from are those of all files, each once; none without a kubeconfig", async () => {
  const list = [await bench.write("a", one), await bench.write("b", two), await bench.write("c", one)];
  expect(await listContexts({}, { KUBECONFIG: list.join(delimiter) })).toEqual({
    contexts: ["one", "two"],
    current: "one",
  });
  expect(await listContexts({}, { HOME: join(bench.folder, "nobody") })).toEqual({ contexts: [] });
  const missing = { kubeconfig: join(bench.folder, "none") };
  await expect(listContexts(missing)).rejects.toMatchObject({ code: "usage" });
});

test("a context may take its cluster and user from another file", async () => {
  const contexts = {
    contexts: [{ name: "mine", context: { cluster: "one", user: "two" } }],
    "current-context": "mine",
  };
  const list = [await bench.write("a", contexts), await bench.write("b", one), await bench.write("c", two)];
  const access = await readAccess({}, { KUBECONFIG: list.join(delimiter) });
  expect(access).toMatchObject({
    server: "https://one.example:6443",
    namespace: "default",
    user: { token: "2" },
  });
});

test("without anything it is ~/.kube/config", async () => {
  const { mkdir } = await import("node:fs/promises");
  await mkdir(join(bench.folder, ".kube"));
  await bench.write(join(".kube", "config"), one);
  expect(await readAccess({ namespace: "elsewhere" }, { HOME: bench.folder })).toMatchObject({
    name: "one",
    namespace: "elsewhere",
  });
});

test("paths are meant from the file's folder; what stands in it counts for more", async () => {
  await bench.write("ca.pem", "PEM of a file");
  const kubeconfig = await bench.write(
    "a",
    kubeconfigFor(
      { server: "https://x", "certificate-authority": "ca.pem" },
      { tokenFile: "token", exec: { command: "./bin/plug", apiVersion: "v1" } },
    ),
  );
  expect(await readAccess({ kubeconfig })).toMatchObject({
    ca: "PEM of a file",
    user: { tokenFile: join(bench.folder, "token"), exec: { command: join(bench.folder, "bin/plug") } },
  });
  const inside = await bench.write(
    "b",
    kubeconfigFor(
      {
        server: "https://x",
        "certificate-authority": "ca.pem",
        "certificate-authority-data": Buffer.from("PEM inside").toString("base64"),
      },
      {},
    ),
  );
  expect((await readAccess({ kubeconfig: inside })).ca).toBe("PEM inside");
});

test("YAML as cloud tools write it", async () => {
  const yaml = [
    "apiVersion: v1",
    "clusters:",
    "- cluster: {server: https://gke.example, certificate-authority-data: aGVsbG8=}",
    "  name: gke_p_zone_c",
    "contexts:",
    "- context: {cluster: gke_p_zone_c, user: u}",
    "  name: gke_p_zone_c",
    "current-context: gke_p_zone_c",
    "kind: Config",
    "preferences: {}",
    "users:",
    "- name: u",
    "  user:",
    "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: gke-gcloud-auth-plugin, provideClusterInfo: true, args: null, env: null}",
  ];
  const access = await readAccess({ kubeconfig: await bench.write("a", yaml.join("\n")) });
  expect(access).toMatchObject({
    server: "https://gke.example",
    ca: "hello",
    user: { exec: { command: "gke-gcloud-auth-plugin" } },
  });
});

test.each([
  ["", /No cluster is in/],
  ["[1, 2", /not a valid kubeconfig/],
  [
    { ...one, clusters: [{ name: "one", cluster: {} }] },
    /not a valid kubeconfig \(clusters.0.cluster.server/,
  ],
  [{ ...one, "current-context": "three" }, /context “three” is not in/],
  [{ ...one, "current-context": "" }, /names no current context/],
  [{ ...one, clusters: [] }, /names the cluster “one”, which/],
  [{ ...one, users: null }, /names the user “one”, whom/],
  [kubeconfigFor({ server: "ftp://x" }, {}), /address “ftp:\/\/x” is not one/],
  [kubeconfigFor({ server: "https://x", "certificate-authority": "no.pem" }, {}), /no.pem.*cannot be read/],
])("what is wrong is said: %j", async (content, words) => {
  const kubeconfig = await bench.write("a", content);
  await expect(readAccess({ kubeconfig })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(words),
  });
});

test("no kubeconfig at all says where it was looked for", async () => {
  await expect(readAccess({}, { HOME: bench.folder })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(join(bench.folder, ".kube", "config")),
  });
});
