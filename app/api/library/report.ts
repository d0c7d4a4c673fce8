// A session's report: one HTML file that needs nothing beside it, with each photo before and after, and what was decided.
//
// Owns: its form. Whatever a person or a photo wrote stands in it as text: it is escaped, cut where it is endless, kept apart
// from the direction of the words around it; and the page forbids itself any script. Must never: hold all pictures at once.
import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, parse } from "node:path";
import {
  chosenVersion,
  getPhoto,
  getSession,
  type Library,
  listVersions,
  type Photo,
  sessionPhotos,
  thumbnailPath,
  type Version,
} from "../../catalogue/index.ts";
import type { PixelWorkers } from "../../imaging/index.ts";
import { AutochromeError, portableName, SOFTWARE, writeAtomically } from "../../kernel/index.ts";
import type { JobReport } from "./desk.ts";
import { problemOf } from "./problems.ts";
import type { ReportWords } from "./report-words.ts";

export interface ReportOptions {
  readonly library: Library;
  readonly workers: PixelWorkers;
  /** Its id. */
  readonly session: string;
  /** Absolute path of the file; of a folder: the file is named after the session. Nothing is replaced. */
  readonly out: string;
  readonly words: ReportWords;
  readonly signal: AbortSignal;
  readonly report: (facts: JobReport) => void;
}

/** Pixels of a picture's longer side: two of them side by side fill a printed page at 150 dpi. */
const SIDE = 640;
const MOST_CHARACTERS = 600;
/** Names that are tried where the first is taken. */
const MOST_NAMES = 1000;

/**
 * Writes the report.
 * @returns the path of the file
 * @throws AutochromeError "not-found" for an unknown session, "output-exists", "output-unwritable"; the signal's reason
 */
export async function writeReport(options: ReportOptions): Promise<string> {
  const { library, session: id, out } = options;
  const { name } = getSession(library, id);
  const isFolder = (await stat(out).catch(() => undefined))?.isDirectory() === true;
  const wished = isFolder
    ? join(out, portableName(name, ".html"))
    : /^\.html?$/i.test(extname(out))
      ? out
      : `${out}.html`; // whatever is chosen by mistake, no photo is called so
  const { dir, name: stem, ext } = parse(wished);
  for (let number = 1; number < MOST_NAMES; number++) {
    const target = number === 1 ? wished : join(dir, portableName(stem, ` (${number})${ext}`));
    if ((await stat(target).catch(() => undefined)) !== undefined) continue;
    await writeAtomically(target, { overwrite: false }, (temporary) => write(options, temporary));
    return target;
  }
  throw new AutochromeError(
    "output-exists",
    "This report is in the folder many times.",
    "Choose another folder.",
  );
}

async function write(options: ReportOptions, target: string): Promise<void> {
  const { library, session: id, words, signal, report } = options;
  const session = getSession(library, id);
  const photos = sessionPhotos(library, id);
  const folder = await mkdtemp(join(tmpdir(), "autochrome-report-"));
  const file = await open(target, "wx");
  try {
    await file.write(headOf(session, words));
    for (const [index, photo] of photos.entries()) {
      signal.throwIfAborted();
      const found = photoOf(library, photo);
      if (found !== undefined) await file.write(await entryOf(options, found, folder));
      report({ done: index + 1, total: photos.length });
    }
    await file.write("</main>\n</body>\n</html>\n");
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Undefined where it was removed since the report was begun. */
function photoOf(library: Library, id: string): Photo | undefined {
  try {
    return getPhoto(library, id);
  } catch (thrown) {
    if (thrown instanceof AutochromeError && thrown.code === "not-found") return undefined;
    throw thrown;
  }
}

function headOf(
  { name, note, photos, accepted, rejected, undecided }: ReturnType<typeof getSession>,
  words: ReportWords,
): string {
  const today = new Intl.DateTimeFormat(words.lang, { dateStyle: "long" }).format(new Date());
  return `<!doctype html>
<html lang="${words.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escaped(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${textOf(name)}</h1>
${note === "" ? "" : `<p class="note">${textOf(note)}</p>\n`}<p>${escaped(words.photos(photos))} · ${escaped(words.counts(accepted, rejected, undecided))}</p>
<p class="small">${escaped(words.madeAt(today, SOFTWARE))} ${escaped(words.about)}</p>
</header>
<main>
`;
}

async function entryOf(options: ReportOptions, photo: Photo, folder: string): Promise<string> {
  const { library, words } = options;
  const { db } = library;
  // What goes out; or else what was thought of last.
  const version = chosenVersion(db, photo.id, false) ?? listVersions(db, photo.id).at(-1);
  const known = thumbnailPath(library, photo.hash); // where the photo itself is gone
  const before = await pictureOf(options, photo, [photo.path, known], folder, words.before);
  const after =
    version === undefined
      ? ""
      : await pictureOf(options, photo, [join(library.folder, version.file)], folder, words.after);
  const title = photo.title ?? photo.name;
  return `<article>
<h2>${textOf(title)}</h2>
<div class="pair">${before}${after}</div>
<p class="${version?.review ?? "none"}"><strong>${escaped(decision(version, words))}</strong>${starsOf(version, photo, words)}</p>
${paragraph(version?.note, "note")}${paragraph(photo.caption, "caption")}<p class="small">${factsOf(photo, version, words)}</p>
</article>
`;
}

function decision(version: Version | undefined, words: ReportWords): string {
  return version === undefined ? words.uncoloured : words[version.review];
}

function starsOf(version: Version | undefined, photo: Photo, words: ReportWords): string {
  const stars = version?.rating ?? photo.rating;
  if (stars === undefined || stars === 0) return "";
  const drawn = "★".repeat(stars) + "☆".repeat(5 - stars);
  return ` <span role="img" aria-label="${escaped(words.stars(stars))}">${drawn}</span>`;
}

function factsOf(photo: Photo, version: Version | undefined, words: ReportWords): string {
  const facts = [
    photo.takenAt === undefined ? words.undated : `${words.taken} ${photo.takenAt}`,
    ...(photo.place === undefined ? [] : [photo.place]),
    ...(photo.title === undefined ? [] : [photo.name]),
    ...(version === undefined
      ? []
      : [`${words.model} ${version.modelId} (${version.modelSha256.slice(0, 12)}), ${version.program}`]),
  ];
  return facts.map(textOf).join(" · ");
}

function paragraph(text: string | undefined, kind: string): string {
  return text === undefined || text.trim() === "" ? "" : `<p class="${kind}">${textOf(text)}</p>\n`;
}

/** The first of the files that can be read, small and inside the page. */
async function pictureOf(
  { workers, words, signal, report }: ReportOptions,
  photo: Photo,
  files: readonly string[],
  folder: string,
  caption: string,
): Promise<string> {
  const target = join(folder, "picture.jpg");
  let failure: unknown;
  for (const file of files) {
    try {
      await workers.writePreview(file, target, SIDE, signal);
      const data = (await readFile(target)).toString("base64");
      const alt = escaped(`${caption}: ${cut(photo.title ?? photo.name)}`);
      const image = `<img src="data:image/jpeg;base64,${data}" alt="${alt}">`;
      return `<figure>${image}<figcaption>${escaped(caption)}</figcaption></figure>`;
    } catch (thrown) {
      signal.throwIfAborted();
      failure ??= thrown;
    } finally {
      await rm(target, { force: true });
    }
  }
  report({ problem: { file: photo.name, error: problemOf(failure, photo.name) } });
  return `<figure><p class="none">${escaped(words.noPicture)}</p><figcaption>${escaped(caption)}</figcaption></figure>`;
}

/** A person's text as a piece of HTML of its own direction. */
function textOf(text: string): string {
  return `<bdi dir="auto">${escaped(cut(text))}</bdi>`;
}

function cut(text: string): string {
  const characters = Array.from(text);
  return characters.length > MOST_CHARACTERS ? `${characters.slice(0, MOST_CHARACTERS).join("")}…` : text;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  // Characters that HTML has no place for are left out.
  return text
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, "")
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

const STYLE = `
:root { color-scheme: light; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff;
  font: 1rem/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
bdi { white-space: pre-line; }
header { border-bottom: 1px solid #999; padding-bottom: 1rem; }
article { padding: 1.25rem 0; border-bottom: 1px solid #ddd; break-inside: avoid; }
.pair { display: flex; gap: .75rem; align-items: flex-end; }
figure { margin: 0; flex: 1 1 0; min-width: 0; }
img { display: block; max-width: 100%; max-height: 30rem; }
figcaption, .small { color: #555; font-size: .85rem; }
.accepted strong { color: #14612a; }
.rejected strong { color: #8f1d14; }
.note { border-inline-start: 3px solid #bbb; padding-inline-start: .6rem; }
@page { margin: 15mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 10pt; }
  img { max-height: 95mm; }
}
`;
