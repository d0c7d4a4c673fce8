// What is under way and what was: batches with their photos, imports, exports. Owns: which batch is opened.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { BatchFacts, JobFacts } from "../../app/api/library/contract.ts";
import { call, refresh, useEngine } from "../engine/index.ts";
import { goTo, hashOf, select, tell, wordsFor, wordsForProblem } from "../state/index.ts";
import { Button, Empty, Icon, type IconName, Progress } from "../style/index.ts";
import { duration } from "./duration.ts";
import "./work.css";

export function WorkRoom() {
  const { t } = useTranslation();
  const batches = useEngine("batches");
  const jobs = useEngine("jobs");
  const problem = batches.error ?? jobs.error;
  const all = batches.data?.batches ?? [];
  const others = (jobs.data?.jobs ?? []).filter(({ state }) => state === "running" || state === "failed");
  if (problem !== null) {
    const { text, next } = wordsFor(problem);
    return (
      <Empty icon="warning" title={text}>
        <p>{next}</p>
      </Empty>
    );
  }
  if (batches.data !== undefined && all.length + others.length === 0) {
    return (
      <Empty icon="work" title={t("work.nothing")}>
        <p>{t("work.nothingNext")}</p>
        <Button kind="primary" icon="photos" onClick={() => goTo({ room: "library" })}>
          {t("work.toLibrary")}
        </Button>
      </Empty>
    );
  }
  return (
    <div className="work">
      <h1>{t("work.name")}</h1>
      {others.map((job) => (
        <JobCard key={job.id} job={job} />
      ))}
      {all.map((batch) => (
        <BatchCard key={batch.id} batch={batch} />
      ))}
    </div>
  );
}

function JobCard({ job }: { readonly job: JobFacts }) {
  const { t, i18n } = useTranslation();
  const { id, kind, state, done, total, remainingMs, error } = job;
  const words = error === undefined ? undefined : wordsForProblem(error);
  return (
    <section className="panel work-card" aria-label={t(`work.jobs.${kind}`)}>
      <header>
        <h2>{t(`work.jobs.${kind}`)}</h2>
        <span className="work-soft">
          {total === undefined ? t("work.count", { count: done }) : t("work.share", { done, total })}
          {remainingMs === undefined
            ? ""
            : ` · ${t("work.left", { time: duration(remainingMs, i18n.language) })}`}
        </span>
        {state === "running" ? (
          <Button icon="stop" onClick={() => void call("stopJob", { params: { id } }).catch(tell)}>
            {t("work.stop")}
          </Button>
        ) : null}
      </header>
      {total === undefined || state !== "running" ? null : (
        <Progress share={total === 0 ? 0 : done / total} label={t(`work.jobs.${kind}`)} />
      )}
      {words === undefined ? null : <Trouble text={words.text} next={words.next} />}
    </section>
  );
}

type BatchAction = "pause" | "resume" | "cancel" | "retry";
const ACTION_ICONS: Readonly<Record<BatchAction, IconName>> = {
  pause: "pause",
  resume: "play",
  cancel: "close",
  retry: "retry",
};

function actionsFor({ state, counts, error }: BatchFacts): BatchAction[] {
  const isOpen = state === "active" || state === "paused";
  return [
    state === "active" && error === undefined ? (["pause"] as const) : [],
    state === "paused" || (state === "active" && error !== undefined) ? (["resume"] as const) : [],
    counts.failed > 0 ? (["retry"] as const) : [],
    isOpen ? (["cancel"] as const) : [],
  ].flat();
}

function BatchCard({ batch }: { readonly batch: BatchFacts }) {
  const { t, i18n } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const { id, state, counts, words, error, remainingMs, device, workflow, createdAt } = batch;
  const total = counts.queued + counts.running + counts.done + counts.failed + counts.cancelled;
  const over = counts.done + counts.failed + counts.cancelled;
  const preset = useTitle(workflow);
  const title = t("work.batchTitle", { count: total, preset });
  const act = (action: BatchAction) =>
    void call("changeBatch", { params: { id, action } })
      .then(() => refresh("batches", "library"))
      .catch(tell);
  const trouble = error === undefined ? undefined : wordsForProblem(error);
  return (
    <section className="panel work-card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span
          className="tag"
          data-kind={state === "finished" ? (counts.failed > 0 ? "warn" : "good") : undefined}
        >
          {t(`work.states.${state}`)}
        </span>
        <span className="work-actions">
          {actionsFor(batch).map((action) => (
            <Button
              key={action}
              icon={ACTION_ICONS[action]}
              kind={action === "cancel" ? "danger" : "plain"}
              onClick={() => act(action)}
            >
              {t(`work.actions.${action}`)}
            </Button>
          ))}
        </span>
      </header>
      <Progress share={total === 0 ? 0 : over / total} label={title} />
      <p className="work-soft">
        {[
          t("work.share", { done: over, total }),
          counts.failed > 0 ? t("work.failed", { count: counts.failed }) : [],
          state === "active" && remainingMs !== undefined
            ? t("work.left", { time: duration(remainingMs, i18n.language) })
            : [],
          device === undefined ? [] : device,
          new Date(createdAt).toLocaleString(i18n.language, { dateStyle: "medium", timeStyle: "short" }),
        ]
          .flat()
          .join(" · ")}
      </p>
      {words.map((sentence) => (
        <p key={sentence} className="work-waiting" role="status">
          <Icon name="clock" /> {sentence}
        </p>
      ))}
      {trouble === undefined ? null : <Trouble text={trouble.text} next={trouble.next} />}
      <Button
        kind="quiet"
        icon={isOpen ? "up" : "down"}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        {t("work.photos")}
      </Button>
      {isOpen ? <Items batch={id} version={over} /> : null}
    </section>
  );
}

/** @param version changes when there is something new to see */
function Items({ batch, version }: { readonly batch: string; readonly version: number }) {
  const { t } = useTranslation();
  const items = useEngine("batchItems", { params: { id: batch }, query: { version } }, { keep: true });
  const list = items.data?.items ?? [];
  return (
    <ul className="work-items" aria-label={t("work.photos")}>
      {list.map(({ id, photo, name, state, error }) => (
        <li key={id}>
          <span
            className="tag"
            data-kind={state === "failed" ? "bad" : state === "done" ? "good" : undefined}
          >
            {t(`work.itemStates.${state}`)}
          </span>
          {photo === undefined ? (
            <bdi>{name}</bdi>
          ) : (
            <a href={hashOf({ room: "review", rest: photo })} onClick={() => select([photo], photo)}>
              <bdi>{name}</bdi>
            </a>
          )}
          {error === undefined ? null : (
            <span className="work-soft">
              {wordsForProblem(error).text} {wordsForProblem(error).next}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function Trouble({ text, next }: { readonly text: string; readonly next: string }) {
  return (
    <p className="work-trouble" role="alert">
      <Icon name="warning" /> <span>{text}</span> <span className="work-soft">{next}</span>
    </p>
  );
}

/** A preset's name in the window's language; other workflows are called as they are. */
function useTitle(workflow: string): string {
  const { t, i18n } = useTranslation();
  const presets = useEngine("presets").data?.presets ?? [];
  if (workflow === "auto") return t("work.autoPreset");
  const title = presets.find(({ name }) => name === workflow)?.title;
  return title?.[i18n.language.startsWith("zh") ? "zh" : "en"] ?? workflow;
}
