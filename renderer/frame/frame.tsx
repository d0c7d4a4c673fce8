// The window's frame: the way to all rooms, notices, the palette, what is under way, the words for a lost engine.
// Owns: which room is shown, theme and language as they are remembered. Must never: know what is in a room.
import i18next from "i18next";
import { Tooltip } from "radix-ui";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Action, listenToKeys, Palette, redo, setOwnKeys, undo, useActions } from "../actions/index.ts";
import { useConnection, useEngine } from "../engine/index.ts";
import { goTo, hashOf, notify, type Room, remember, tell, useMemory, usePlace } from "../state/index.ts";
import { Button, Icon, type IconName, Progress } from "../style/index.ts";
import { changeLanguage, systemLanguage } from "../words/index.ts";
import { ErrorBoundary } from "./error-boundary.tsx";
import { Notices } from "./notice-list.tsx";
import "./frame.css";

const VIEWS: Readonly<Record<Room, ReturnType<typeof lazy>>> = {
  library: lazy(async () => ({ default: (await import("../library/index.ts")).LibraryRoom })),
  review: lazy(async () => ({ default: (await import("../review/index.ts")).ReviewRoom })),
  work: lazy(async () => ({ default: (await import("../work/index.ts")).WorkRoom })),
};
/** The dialog for colouring can be asked for in every room. */
const ColourDialog = lazy(async () => ({ default: (await import("../work/index.ts")).ColourDialog }));

const LINKS: readonly { readonly room: Room; readonly icon: IconName; readonly key: string }[] = [
  { room: "library", icon: "photos", key: "Ctrl+1" },
  { room: "review", icon: "review", key: "Ctrl+2" },
  { room: "work", icon: "work", key: "Ctrl+3" },
];

export function Frame() {
  const { t } = useTranslation();
  const place = usePlace();
  const memory = useMemory();
  const connection = useConnection();
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const [isColouring, setColouring] = useState(false);
  useTheme(memory.theme);
  useEffect(() => {
    void changeLanguage(memory.language === "system" ? systemLanguage() : memory.language);
  }, [memory.language]);
  useEffect(() => setOwnKeys(memory.keys), [memory.keys]);
  useEffect(listenToKeys, []);

  const actions = useMemo<Action[]>(
    () => [
      {
        id: "palette",
        keys: ["Ctrl+K", "Ctrl+Shift+P"],
        isGlobal: true,
        isHidden: true,
        run: () => setPaletteOpen(true),
      },
      { id: "undo", keys: ["Ctrl+Z"], run: () => goThroughHistory(undo, "actions.undone") },
      { id: "redo", keys: ["Ctrl+Shift+Z", "Ctrl+Y"], run: () => goThroughHistory(redo, "actions.redone") },
      ...(["light", "dark", "system"] as const).map(
        (theme): Action => ({
          id: `theme.${theme}`,
          run: () => remember({ theme }),
        }),
      ),
      { id: "language.en", run: () => remember({ language: "en" }) },
      { id: "language.zh", run: () => remember({ language: "zh-CN" }) },
      { id: "colour", keys: ["C"], run: () => setColouring(true) },
      ...LINKS.map(
        ({ room, key }): Action => ({
          id: `go.${room}`,
          keys: [key],
          isGlobal: true,
          run: () => goTo({ room }),
        }),
      ),
    ],
    [],
  );
  useActions(actions);

  const View = VIEWS[place.room];
  return (
    <Tooltip.Provider delayDuration={500}>
      <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
        {t("frame.skip")}
      </button>
      <div className="frame">
        <nav className="rail" aria-label={t("frame.rooms")}>
          {LINKS.map(({ room, icon, key }) => (
            <a
              key={room}
              href={hashOf({ room })}
              className="rail-link"
              aria-current={place.room === room ? "page" : undefined}
              aria-keyshortcuts={key.replace("Ctrl", "Control")}
            >
              <Icon name={icon} size={22} />
              <span>{t(`frame.${room}`)}</span>
            </a>
          ))}
          <UnderWay />
        </nav>
        <main id="main" tabIndex={-1} className="room">
          {connection === "lost" ? <Away /> : null}
          <ErrorBoundary key={place.room}>
            <Suspense fallback={<Waiting />}>
              <View />
            </Suspense>
          </ErrorBoundary>
        </main>
      </div>
      {isPaletteOpen ? <Palette onClose={() => setPaletteOpen(false)} /> : null}
      {isColouring ? (
        <Suspense fallback={null}>
          <ColourDialog onClose={() => setColouring(false)} />
        </Suspense>
      ) : null}
      <Notices />
    </Tooltip.Provider>
  );
}

function useTheme(theme: "system" | "light" | "dark"): void {
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      const isDark = theme === "dark" || (theme === "system" && dark.matches);
      document.documentElement.dataset.theme = isDark ? "dark" : "light";
    };
    apply();
    dark.addEventListener("change", apply);
    return () => dark.removeEventListener("change", apply);
  }, [theme]);
}

function Waiting(): ReactNode {
  const { t } = useTranslation();
  return (
    <p className="waiting" role="status">
      {t("frame.loading")}
    </p>
  );
}

function Away(): ReactNode {
  const { t } = useTranslation();
  return (
    <div className="away" role="alert">
      <Icon name="warning" />
      <span>{t("frame.away")}</span>
      <Button kind="quiet" onClick={() => location.reload()}>
        {t("frame.reload")}
      </Button>
    </div>
  );
}

/** What is under way, in the rail: a bar and a number, and the way to the room that shows it whole. */
function UnderWay(): ReactNode {
  const { t } = useTranslation();
  const batches = useEngine("batches").data?.batches.filter(({ state }) => state === "active") ?? [];
  const jobs = useEngine("jobs").data?.jobs.filter(({ state }) => state === "running") ?? [];
  const counts = batches.map(({ counts: { queued, running, done, failed } }) => ({
    over: done + failed,
    all: queued + running + done + failed,
  }));
  const all =
    counts.reduce((sum, one) => sum + one.all, 0) + jobs.reduce((sum, { total = 0 }) => sum + total, 0);
  const over = counts.reduce((sum, one) => sum + one.over, 0) + jobs.reduce((sum, { done }) => sum + done, 0);
  if (batches.length + jobs.length === 0) return null;
  return (
    <a className="under-way" href={hashOf({ room: "work" })}>
      <span>{t("frame.underWay", { over, all })}</span>
      <Progress share={all === 0 ? 0 : over / all} label={t("frame.underWay", { over, all })} />
    </a>
  );
}

function goThroughHistory(step: typeof undo, key: string): void {
  step().then((deed) => {
    if (deed === undefined) return;
    notify({ kind: "done", text: i18next.t(key, { what: i18next.t(deed.label, deed.values ?? {}) }) });
  }, tell);
}
