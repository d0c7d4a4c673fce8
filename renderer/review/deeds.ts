// Decisions about versions, each undoable. Must never: go around the history.

import type { VersionCard, VersionChange } from "../../app/api/library/contract.ts";
import { type Deed, perform } from "../actions/index.ts";
import { call, queryClient, refresh } from "../engine/index.ts";
import { tell } from "../state/index.ts";

async function change(version: VersionCard, body: VersionChange): Promise<void> {
  await call("changeVersion", { params: { id: version.id }, body });
  await queryClient.invalidateQueries({ queryKey: ["photo", { params: { id: version.photo } }] });
  refresh("library", "cards");
}

function deed(label: string, version: VersionCard, after: VersionChange, before: VersionChange): Deed {
  return { label, redo: () => change(version, after), undo: () => change(version, before) };
}

export function decide(version: VersionCard, review: VersionCard["review"]): Promise<void> {
  return perform(deed(`review.deeds.${review}`, version, { review }, { review: version.review })).catch(tell);
}

/** @param rating 1–5; null: none */
export function rate(version: VersionCard, rating: number | null): Promise<void> {
  return perform(deed("review.deeds.rated", version, { rating }, { rating: version.rating ?? null })).catch(
    tell,
  );
}
