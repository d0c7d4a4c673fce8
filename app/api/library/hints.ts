// What was not understood in a search text, as sentences. The engine does not know a window's language, so the request
// says it (Accept-Language).
// Must never: be more than a hint.
import type { Hint } from "../../catalogue/index.ts";

type Sentence = Readonly<Record<"en" | "zh", (part: string) => string>>;

const SENTENCES: Readonly<Record<Hint["about"], Sentence>> = {
  filter: {
    en: (part) => `There is no filter “${part}”, so it was searched as words.`,
    zh: (part) => `没有名为“${part}”的筛选条件，已按文字搜索。`,
  },
  value: {
    en: (part) => `“${part}” was not understood and has been left out.`,
    zh: (part) => `无法理解“${part}”，已忽略。`,
  },
  album: {
    en: (part) => `There is no album “${part}”.`,
    zh: (part) => `没有名为“${part}”的相册。`,
  },
  words: {
    en: (part) => `“${part}” has no letters or digits to search for.`,
    zh: (part) => `“${part}”中没有可搜索的文字或数字。`,
  },
};
/** Longer parts are cut: a hint is one line. */
const LONGEST = 60;

/** @param language as Accept-Language has it */
export function hintSentence({ about, part }: Hint, language = ""): string {
  const short = Array.from(part);
  const shown = short.length > LONGEST ? `${short.slice(0, LONGEST).join("")}…` : part;
  return SENTENCES[about][/^zh\b/i.test(language.trim()) ? "zh" : "en"](shown);
}
