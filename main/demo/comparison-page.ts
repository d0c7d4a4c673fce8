// One HTML file in which every photo can be compared with its original by a slider; it needs nothing beside itself.
// Owns: the page's structure and its policy. Must never: refer to anything outside the file, or carry a photo's
// metadata (places, names) along.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { AutochromeError, writeFileAtomically } from "../../app/kernel/index.ts";
import type { Pair } from "./contact-sheet.ts";
import { escapeMarkup } from "./markup.ts";

/** Longest side of the pictures in the page, in pixels. */
const SIDE = 1600;
const QUALITY = 84;

/**
 * Writes the page, replacing an older one. Meant for tens of photos: all pictures are in the file.
 * @param options.title heading and title of the page; titleZh for readers of Chinese
 * @throws AutochromeError "usage" where there are no pairs
 */
export async function makeComparisonPage(
  pairs: readonly Pair[],
  target: string,
  options: { readonly title: string; readonly titleZh?: string },
): Promise<void> {
  if (pairs.length === 0) {
    throw new AutochromeError("usage", "There are no photos to compare.", "Colour at least one photo first.");
  }
  const [style, script] = await Promise.all([part("comparison-page.css"), part("comparison-page.client.js")]);
  const figures: string[] = [];
  const shapes: string[] = [];
  for (const [index, pair] of pairs.entries()) {
    const id = `photo-${index + 1}`;
    const { after, before, width, height } = await pictures(pair);
    shapes.push(`#${id} { --ratio: ${width} / ${height}; --width: ${width}; }`);
    figures.push(figure(id, pair, before, after, width, height));
  }
  // Shapes stand in the style sheet: the policy allows no style attributes.
  const sheet = `${style}\n${shapes.join("\n")}\n`;
  const html = page(options.title, options.titleZh, sheet, script, figures.join("\n"));
  await writeFileAtomically(target, html, { overwrite: true });
}

/** Line ends as the browser will see them, or the digests in the policy would not fit. */
async function part(name: string): Promise<string> {
  return (await readFile(new URL(name, import.meta.url), "utf8")).replaceAll("\r\n", "\n");
}

async function pictures(pair: Pair) {
  const { data, info } = await picture(pair.after)
    .resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const before = await picture(pair.before).resize(width, height, { fit: "cover" }).toBuffer();
  return { after: dataUri(data), before: dataUri(before), width, height };
}

function picture(path: string) {
  return sharp(path)
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .jpeg({ quality: QUALITY, chromaSubsampling: "4:4:4", mozjpeg: true });
}

function dataUri(jpeg: Buffer): string {
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}

function figure(
  id: string,
  pair: Pair,
  before: string,
  after: string,
  width: number,
  height: number,
): string {
  const en = escapeMarkup(pair.title);
  const zh = escapeMarkup(pair.titleZh ?? pair.title);
  const size = `width="${width}" height="${height}" draggable="false"`;
  return `<figure>
<div class="compare" id="${id}">
<img class="after" src="${after}" ${size} alt="${en}, coloured" data-zh-alt="${zh}，上色后">
<img class="before" src="${before}" ${size} alt="${en}, the original" data-zh-alt="${zh}，原片">
<input type="range" id="${id}-at" min="0" max="100" step="any" value="50" aria-describedby="hint">
<span class="seam" aria-hidden="true"></span>
<span class="tag left" aria-hidden="true" data-zh="原片">Original</span>
<span class="tag right" aria-hidden="true" data-zh="上色">Coloured</span>
</div>
<figcaption><label for="${id}-at" dir="auto" data-zh="${zh}">${en}</label></figcaption>
</figure>`;
}

function page(
  title: string,
  titleZh: string | undefined,
  style: string,
  script: string,
  figures: string,
): string {
  const policy = [
    "default-src 'none'",
    "img-src data:",
    `style-src '${digest(style)}'`,
    `script-src '${digest(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const en = escapeMarkup(title);
  const zh = escapeMarkup(titleZh ?? title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title data-zh="${zh}">${en}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1 data-zh="${zh}">${en}</h1>
<p id="hint" data-zh="左右拖动，或用方向键，比较原片与上色后的照片。">Drag across a photo, or use the arrow keys, to compare the original with the coloured version.</p>
</header>
<main>
${figures}
</main>
<footer>
<p data-zh="明暗全部来自原片；颜色由神经网络推测，并非史实。由 Autochrome 在本机生成，没有上传任何照片。">All light and shade are the original’s; the colours are a neural network’s guess, not history. Made with Autochrome on the owner’s computer; no photo was uploaded.</p>
</footer>
<script>${script}</script>
</body>
</html>
`;
}

/** A content security policy's source expression for an inline element with exactly this text. */
function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
