// The page at "/": ComfyUI's official front end from a folder, or a small page that says what this is.
// Owns: static files and their caching. Must never: serve a file outside that folder, or one that a client has put anywhere.
import { readdir, realpath, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { AutochromeError } from "../kernel/index.ts";
import { notFound, refusal } from "./answers.ts";
import { type ApiContext, type ApiRoutes, endpoint } from "./endpoint.ts";
import { sendFile } from "./send-file.ts";
import { decoded, fileAt, PAGE_TYPE, typeOf } from "./static-files.ts";

export interface FrontEnd {
  /** Addresses of its extensions' scripts. */
  readonly extensions: readonly string[];
  /** Any other file of it; 404 for what it does not have. */
  file(c: ApiContext): Promise<Response>;
  page(c: ApiContext): Promise<Response>;
}

/** ComfyUI's rules: what names a version of the program is asked for anew, pictures may be kept for a day. */
const FRESH = /(\.js|\.css|\/index[^/]*\.json)$/;
const PICTURE = /\.(png|jpe?g|gif|webp|avif|svg|ico|bmp)$/i;

/**
 * What the official front end needs: scripts in its page, WebAssembly, pictures and workers from memory. Everything else
 * comes from here, and nothing is sent elsewhere: what it would ask comfy.org for is refused by the browser.
 */
const FRONT_END_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "media-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self' data: blob:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");
/** Of small pages that are words only. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** @param folder with the front end's index.html. @throws AutochromeError "usage" where that is not there */
export async function openFrontEnd(folder: string | undefined): Promise<FrontEnd> {
  if (folder === undefined) {
    const headers = { "Content-Type": PAGE_TYPE, "Content-Security-Policy": PAGE_POLICY };
    return {
      extensions: [],
      page: async () => new Response(PAGE, { headers }),
      async file() {
        throw notFound();
      },
    };
  }
  const root = await realpath(resolve(folder)).catch(() => resolve(folder));
  const index = join(root, "index.html");
  if ((await stat(index).catch(() => undefined))?.isFile() !== true) {
    throw new AutochromeError(
      "usage",
      "The folder of the front end has no index.html.",
      "Name the folder called static of the package comfyui-frontend-package.",
      { detail: folder },
    );
  }
  return {
    extensions: await scriptsBelow(root, join(root, "extensions")),
    page: (c) =>
      sendFile(c, index, {
        "Content-Type": PAGE_TYPE,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": FRONT_END_POLICY,
      }),
    async file(c) {
      const path = decoded(c.req.path);
      const found = path === undefined ? undefined : await fileAt(root, path);
      if (path === undefined || found === undefined) {
        throw path !== undefined && PICTURE.test(path) ? noPicture() : notFound();
      }
      return sendFile(c, found, {
        "Content-Type": typeOf(found),
        ...caching(path),
        ...(found.endsWith(".html") ? { "Content-Security-Policy": FRONT_END_POLICY } : {}),
      });
    },
  };
}

const noPicture = () =>
  refusal({
    status: 404,
    code: "not-found",
    message: "There is no such picture.",
    next: "Check the address.",
    headers: { "Cache-Control": "max-age=3600" },
  });

function caching(path: string): Record<string, string> {
  if (FRESH.test(path)) return { "Cache-Control": "no-cache" };
  return PICTURE.test(path) ? { "Cache-Control": "public, max-age=86400" } : {};
}

async function scriptsBelow(root: string, folder: string): Promise<string[]> {
  const scripts: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) scripts.push(...(await scriptsBelow(root, path)));
    else if (entry.isFile() && entry.name.endsWith(".js")) {
      scripts.push(`/${relative(root, path).split(sep).join("/")}`);
    }
  }
  return scripts.sort();
}

/**
 * @param path where its page is: "/" or "/window/"
 * @param signIn answers `?token=…` there, or undefined where there is nothing to sign in to
 */
export function frontEndRoutes(
  routes: ApiRoutes,
  path: string,
  frontEnd: FrontEnd,
  signIn: (c: ApiContext) => Response | undefined,
): void {
  endpoint(
    routes,
    {
      method: "get",
      path,
      tag: "Front end",
      summary: "The front end. With token=KEY a browser gets a cookie, and the key out of its address bar.",
      answers: { 200: { description: "A page", type: "text/html" } },
    },
    (c) => signIn(c) ?? frontEnd.page(c),
  );
}

/**
 * A page that goes on by itself: after a redirect the browser would not send its new cookie when it came from another site.
 * @param to a path of ours
 */
export function goOn(cookie: string, to: string): Response {
  const body = `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${to}"><title>Autochrome</title>`;
  return new Response(body, {
    headers: {
      "Content-Type": PAGE_TYPE,
      "Content-Security-Policy": PAGE_POLICY,
      "Cache-Control": "no-store",
      "Set-Cookie": cookie,
    },
  });
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Autochrome</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; color: #222; background: #fff; }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1b; } a { color: #8ab4f8; } }
  section { margin-top: 2.5rem; }
</style>
<h1>Autochrome</h1>
<section>
  <p>This service gives old black-and-white photographs colour. It speaks ComfyUI's interface, so programs written for ComfyUI can use it.</p>
  <p>There is no editor at this address yet: start the service with <code>--front-end FOLDER</code> to have ComfyUI's.</p>
  <p><a href="/openapi.json">What it can do</a> · <a href="/object_info">Nodes</a> · <a href="/system_stats">This machine</a></p>
</section>
<section lang="zh-CN">
  <p>这项服务为黑白老照片上色。它使用 ComfyUI 的接口，为 ComfyUI 编写的程序可以直接使用。</p>
  <p>这里暂时没有编辑器：用 <code>--front-end 文件夹</code> 启动服务，即可使用 ComfyUI 的界面。</p>
  <p><a href="/openapi.json">接口说明</a> · <a href="/object_info">节点</a> · <a href="/system_stats">本机状态</a></p>
</section>
</html>
`;
