// The window's words in all its languages. One file a room and language; a key is "room.name".
// Must never: hold a sentence in code.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = ["en", "zh-CN"] as const;
export type Language = (typeof LANGUAGES)[number];

type Room = Record<string, unknown>;
const files = import.meta.glob<Room>("./*/*.json", { eager: true, import: "default" });

function resourcesOf(language: Language): Record<string, Room> {
  return Object.fromEntries(
    Object.entries(files).flatMap(([path, words]) => {
      const [, of, room] = /^\.\/([^/]+)\/([^/]+)\.json$/.exec(path) ?? [];
      return of === language && room !== undefined ? [[room, words]] : [];
    }),
  );
}

/** The language of the system, as far as we speak it. */
export function systemLanguage(): Language {
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) ? "zh-CN" : "en";
}

export async function startWords(language: Language): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    resources: Object.fromEntries(LANGUAGES.map((one) => [one, { translation: resourcesOf(one) }])),
    interpolation: { escapeValue: false }, // React escapes
    returnNull: false,
  });
  document.documentElement.lang = language;
}

export async function changeLanguage(language: Language): Promise<void> {
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
