// `autochrome cluster check` as its users run it, against a server that knows just enough.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../cli.ts";

let folder: string;
let server: Server;
let kubeconfig: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-check-"));
  server = createServer((request, response) => {
    const send = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    let text = "";
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      const { pathname } = new URL(request.url ?? "", "http://x");
      if (pathname === "/version") return send(200, { major: "1", minor: "31", gitVersion: "v1.31.4" });
      if (pathname.endsWith("/selfsubjectaccessreviews"))
        return send(201, { status: { allowed: !text.includes('"pods"') } });
      if (pathname.endsWith("/jobs")) return send(201, {});
      if (pathname.startsWith("/apis/kueue")) return send(404, {});
      send(403, { kind: "Status", reason: "Forbidden", message: `cannot look at ${pathname}` });
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  kubeconfig = join(folder, "config");
  const named = { name: "club", user: { token: "t" }, cluster: { server: `http://127.0.0.1:${port}` } };
  const context = { name: "club", context: { cluster: "club", user: "club" } };
  await writeFile(
    kubeconfig,
    JSON.stringify({ "current-context": "club", clusters: [named], users: [named], contexts: [context] }),
  );
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

test("one line for each thing, what is missing with a next step, and the exit code", async () => {
  const { code, lines, summary } = await run(["cluster", "check"], {
    ...{ AUTOCHROME_KUBECONFIG: kubeconfig, AUTOCHROME_KUBE_NAMESPACE: "photos" },
    AUTOCHROME_CLUSTER_IMAGE: "example.org/autochrome:1",
  });
  expect(lines).toContainEqual({ about: "version", ok: true, found: expect.stringContaining("v1.31.4") });
  const missing = lines.filter(({ ok, about }) => ok === false && String(about).startsWith("right to "));
  expect(missing.map(({ about }) => about)).toEqual(["right to list pods", "right to get pods/log"]);
  for (const line of missing) expect(line.next).toEqual(expect.any(String));
  expect(summary).toMatchObject({ context: "club", namespace: "photos" });
  expect(code).toBe(1);
});

test("a kubeconfig or context that is not there is a usage error", async () => {
  const none = await run(["cluster", "check"], { AUTOCHROME_KUBECONFIG: join(folder, "none") });
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot be read") });
  const other = await run(["cluster", "check"], {
    AUTOCHROME_KUBECONFIG: kubeconfig,
    AUTOCHROME_KUBE_CONTEXT: "x",
  });
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Set kubeContext to one of: club."),
  });
});
