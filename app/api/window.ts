// Autochrome's own window: the bundle that Vite makes of renderer/.
//
// Owns: its files, its caching, what its page may do. Must never: let a script in that is not the bundle's.
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { notFound } from "./answers.ts";
import { type FrontEnd, PAGE_POLICY } from "./front-end.ts";
import { sendFile } from "./send-file.ts";
import { decoded, fileAt, PAGE_TYPE, typeOf } from "./static-files.ts";

/** Where Vite puts the bundle. */
export const BUNDLE = fileURLToPath(new URL("../../renderer/dist/", import.meta.url));

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'none'",
].join("; ");

/**
 * The window at an address. The bundle may be made while the service runs.
 * @param bundle folder with its index.html
 * @param at what its addresses begin with: "/" or "/window/"
 */
export function openWindow(bundle: string, at: string): FrontEnd {
  const file: FrontEnd["file"] = async (c) => {
    const path = decoded(c.req.path)?.slice(at.length);
    const root = await realpath(bundle).catch(() => undefined);
    const found = root === undefined || path === undefined ? undefined : await fileAt(root, path);
    if (found === undefined) throw notFound();
    return sendFile(c, found, {
      "Content-Type": typeOf(found),
      "Content-Security-Policy": POLICY,
      // Names of assets hold a digest of their content.
      "Cache-Control": path?.startsWith("assets/") ? "private, max-age=31536000, immutable" : "no-cache",
    });
  };
  return {
    extensions: [],
    file,
    async page(c) {
      const index = join(bundle, "index.html");
      if ((await stat(index).catch(() => undefined))?.isFile() === true) {
        return sendFile(c, index, {
          "Content-Type": PAGE_TYPE,
          "Content-Security-Policy": POLICY,
          "Cache-Control": "no-cache",
        });
      }
      return new Response(NOT_MADE, {
        status: 503,
        headers: {
          "Content-Type": PAGE_TYPE,
          "Content-Security-Policy": PAGE_POLICY,
          "Cache-Control": "no-store",
        },
      });
    },
  };
}

const NOT_MADE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Autochrome</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; color: #222; background: #fff; }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1b; } }
</style>
<h1>Autochrome</h1>
<p>The engine runs, but its window has not been built yet. Run this in the folder of Autochrome, then load the page again:</p>
<pre><code>npm run build</code></pre>
<p lang="zh-CN">引擎已启动，但界面尚未构建。请在 Autochrome 文件夹中运行上面的命令，然后刷新本页。</p>
</html>
`;
