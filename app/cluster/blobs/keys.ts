// The names of things in the storage.
//
// Owns: their grammar, which lists sort, and which names stand for their content. Must never: let a user's text in (file
// names, titles): a key is made of digests, ids and numbers, so it means the same on every store and every disk.
import { AutochromeError } from "../../kernel/index.ts";

const ID = "[a-z0-9][a-z0-9-]{0,62}";
const NAME = "[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?";
const KEY = new RegExp(
  `^(in/[0-9a-f]{64}|batch/${ID}/${NAME}|out/${ID}/${NAME}|done/${ID}/\\d{6}/\\d{6}|check/${ID})$`,
);
const PREFIX = /^(in|batch|out|done|check)\/([a-z0-9][a-z0-9._-]*\/)*([a-z0-9][a-z0-9._-]*)?$/;
const MOST = 999_999;

/** Whatever goes in: photographs, masks, models, by what they are. `sha256`: lower-case hex. */
export function inputKey(sha256: string): string {
  return checkKey(`in/${sha256}`);
}

/** What a batch wants done. @param name lower-case letters, digits, ".", "_", "-" */
export function batchKey(batch: string, name: string): string {
  return checkKey(`batch/${batch}/${name}`);
}

/** A result. @param name as for {@link batchKey}: an item's number or id, never a photo's name */
export function outputKey(batch: string, name: string): string {
  return checkKey(`out/${batch}/${name}`);
}

/**
 * The record that an item is over. Records of one index sort by item: who works through them in order can be followed by
 * listing after the last one seen.
 * @param index of the Job, 0–999,999 @param item within that index, 0–999,999
 */
export function doneKey(batch: string, index: number, item: number): string {
  return checkKey(`${donePrefix(batch, index)}${digits(item)}`);
}

/** What lists the records of a batch, or of one of its indexes. */
export function donePrefix(batch: string, index?: number): string {
  return checkPrefix(`done/${batch}/${index === undefined ? "" : `${digits(index)}/`}`);
}

/** What lists all that belongs to a batch; inputs belong to nobody. */
export function batchPrefixes(batch: string): readonly string[] {
  return ["done", "out", "batch"].map((kind) => checkPrefix(`${kind}/${batch}/`));
}

/** A small thing to try the storage with. */
export function probeKey(id: string): string {
  return checkKey(`check/${id}`);
}

/** The digest that a key stands for; undefined where what lies under the key may change. */
export function digestInKey(key: string): string | undefined {
  return key.startsWith("in/") ? key.slice(3) : undefined;
}

export function isKey(text: string): boolean {
  return KEY.test(text);
}

/** Whether something can be the beginning of keys: a kind, "/", and any part of what follows. */
export function isPrefix(text: string): boolean {
  return PREFIX.test(text) && text.length <= 250;
}

/** @throws AutochromeError "usage" for what is no key */
export function checkKey(key: string): string {
  if (isKey(key)) return key;
  throw notAName(key);
}

/** @throws AutochromeError "usage" for what no key begins with */
export function checkPrefix(prefix: string): string {
  if (isPrefix(prefix)) return prefix;
  throw notAName(prefix);
}

function digits(number: number): string {
  if (Number.isInteger(number) && number >= 0 && number <= MOST) return String(number).padStart(6, "0");
  throw notAName(String(number));
}

function notAName(text: string): AutochromeError {
  return new AutochromeError(
    "usage",
    "This is no name of anything in the storage.",
    "Names are made by Autochrome, from digests, ids and numbers.",
    { detail: JSON.stringify(text) },
  );
}
