import { chmod } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Access } from "./kubeconfig.ts";
import { createSignIn, repairedPath } from "./sign-in.ts";
import { useBench } from "./testing.ts";

const bench = useBench();
const access = (user: Access["user"]): Access => ({
  ...{ name: "c", server: "https://x", namespace: "n", ca: "CA", insecure: false },
  ...{ serverName: undefined, proxyUrl: undefined, user, execConfig: { audience: "a" } },
});
const exec = (command: string, more: object = {}) => ({
  apiVersion: "client.authentication.k8s.io/v1",
  command,
  ...more,
});

/** A plug-in that counts its runs and answers with a token that says how it was called. */
async function plugin(name: string, script: string): Promise<string> {
  const path = await bench.write(name, `#!${process.execPath}\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
const counting = (expiry: string) => `
  const fs = require("node:fs");
  fs.appendFileSync(__dirname + "/runs", "x");
  const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
  const token = [process.argv[2], process.env.GREETING, info.spec.cluster?.server, info.spec.cluster?.config?.audience, fs.readFileSync(__dirname + "/runs", "utf8").length].join(" ");
  console.log(JSON.stringify({ apiVersion: info.apiVersion, kind: "ExecCredential", status: { token, expirationTimestamp: ${expiry} } }));`;

test.skipIf(process.platform === "win32")(
  "a plug-in is found by the PATH, told what it wants to know, and asked once",
  async () => {
    await plugin("plug", counting("undefined"));
    const user = {
      exec: exec("plug", {
        args: ["arg"],
        env: [{ name: "GREETING", value: "hi" }],
        provideClusterInfo: true,
      }),
    };
    const signIn = createSignIn(access(user), { PATH: bench.folder, HOME: bench.folder });
    const [first, second] = await Promise.all([signIn.credentials(), signIn.credentials()]);
    expect(first.headers.authorization).toBe("Bearer arg hi https://x a 1");
    expect(second).toEqual(first);
    signIn.forget();
    expect((await signIn.credentials()).headers.authorization).toMatch(/ 2$/);
  },
);

test.skipIf(process.platform === "win32")("a token of a plug-in is used until it ends", async () => {
  const path = await plugin("plug", counting("new Date(Date.now() + 16_050).toISOString()"));
  const signIn = createSignIn(access({ exec: exec(path) }), {});
  expect((await signIn.credentials()).headers.authorization).toMatch(/ 1$/);
  await expect
    .poll(async () => (await signIn.credentials()).headers.authorization, { timeout: 10_000 })
    .toMatch(/ 2$/);
});

test.skipIf(process.platform === "win32").each([
  [
    "console.error('first'); console.error('Token has expired, run `tool login`.'); process.exit(1)",
    /could not sign in to the cluster: Token has expired, run `tool login`\.$/,
  ],
  ["console.log('Welcome!')", /answered is no credential/],
  ["setInterval(() => {}, 1000)", /did not finish signing in/],
])("a plug-in that fails is told of: %s", async (script, words) => {
  const path = await plugin("plug", script);
  const signIn = createSignIn(
    access({ exec: exec(path) }),
    {},
    script.includes("setInterval") ? 300 : 20_000,
  );
  await expect(signIn.credentials()).rejects.toMatchObject({
    code: "cluster-sign-in",
    message: expect.stringMatching(words),
  });
});

test("a plug-in that is missing is told of with its hint", async () => {
  const signIn = createSignIn(
    access({ exec: exec("no-such-plugin", { installHint: "Get it from example.org." }) }),
    {},
  );
  await expect(signIn.credentials()).rejects.toMatchObject({
    ...{ code: "cluster-sign-in", next: "Get it from example.org." },
    message: expect.stringContaining("no-such-plugin"),
  });
});

test("PATH gets the usual folders, and keeps its own first", () => {
  const path = repairedPath({ PATH: "/mine", HOME: "/home/me" }).split(
    process.platform === "win32" ? ";" : ":",
  );
  expect(path[0]).toBe("/mine");
  if (process.platform !== "win32")
    expect(path).toEqual(
      expect.arrayContaining(["/opt/homebrew/bin", "/usr/local/bin", "/home/me/google-cloud-sdk/bin"]),
    );
});

test("tokens, files, names and whom to stand for", async () => {
  const tokenFile = await bench.write("token", "from file\n");
  const headersOf = async (user: Access["user"]) => (await createSignIn(access(user)).credentials()).headers;
  expect(await headersOf({ tokenFile, token: "other" })).toEqual({ authorization: "Bearer from file" });
  expect(await headersOf({ username: "a", password: "b" })).toEqual({ authorization: "Basic YTpi" });
  expect(await headersOf({ token: "t", as: "eve", "as-groups": ["g", "h"] })).toEqual({
    ...{ authorization: "Bearer t", "impersonate-user": "eve", "impersonate-group": ["g", "h"] },
  });
});

test("an OIDC token is renewed when it has ended; a refresh token that is not replaced is kept", async () => {
  const jwt = (seconds: number, id: number) =>
    `h.${Buffer.from(JSON.stringify({ exp: Date.now() / 1000 + seconds, id })).toString("base64url")}.s`;
  const asked: string[] = [];
  const fresh = [jwt(10, 1), jwt(3600, 2), jwt(3600, 3)];
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/.well-known"))
      return void response.end(JSON.stringify({ token_endpoint: `${issuer}/token` }));
    let text = "";
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      asked.push(new URLSearchParams(text).get("refresh_token") ?? "");
      const id_token = fresh[asked.length - 1];
      response.statusCode = id_token === undefined ? 400 : 200;
      response.end(JSON.stringify({ id_token, ...(asked.length === 1 ? { refresh_token: "second" } : {}) }));
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const config = {
      "idp-issuer-url": issuer,
      "client-id": "c",
      "refresh-token": "first",
      "id-token": jwt(-5, 0),
    };
    const signIn = createSignIn(access({ "auth-provider": { name: "oidc", config } }));
    const token = async () => (await signIn.credentials()).headers.authorization;
    expect(await token()).toBe(`Bearer ${fresh[0]}`);
    await expect.poll(token, { timeout: 10_000 }).toBe(`Bearer ${fresh[1]}`); // the first is as good as ended
    expect(await token()).toBe(`Bearer ${fresh[1]}`);
    signIn.forget();
    expect(await token()).toBe(`Bearer ${fresh[2]}`);
    expect(asked).toEqual(["first", "second", "second"]);
    signIn.forget();
    await expect(token()).rejects.toMatchObject({
      code: "cluster-sign-in",
      message: expect.stringContaining("did not renew"),
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("ways to sign in that are gone say so", async () => {
  await expect(
    createSignIn(access({ "auth-provider": { name: "gcp" } })).credentials(),
  ).rejects.toMatchObject({ code: "cluster-sign-in" });
  await expect(
    createSignIn(
      access({ exec: exec(join(bench.folder, "x"), { interactiveMode: "Always" }) }),
    ).credentials(),
  ).rejects.toMatchObject({ message: expect.stringContaining("terminal") });
});
