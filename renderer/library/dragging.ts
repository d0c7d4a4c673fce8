// Photos that are dragged within the window: to an album. What is dragged is what is chosen.
// Must never: be taken for files that come from outside.
import type { DragEvent } from "react";

const TYPE = "application/x-autochrome-photos";

/** @param words what is seen under the pointer: "12 photos" */
export function startPhotoDrag(event: DragEvent, words: string): void {
  event.dataTransfer.setData(TYPE, words);
  event.dataTransfer.effectAllowed = "copy";
  const picture = document.createElement("div");
  picture.className = "lib-drag";
  picture.textContent = words;
  document.body.append(picture);
  event.dataTransfer.setDragImage(picture, -12, -4);
  setTimeout(() => picture.remove()); // the browser has taken its picture by then
}

export const isPhotoDrag = (event: { readonly dataTransfer: DataTransfer | null }): boolean =>
  event.dataTransfer?.types.includes(TYPE) === true;

/** Files and folders from outside the window. */
export const isFileDrag = (event: { readonly dataTransfer: DataTransfer | null }): boolean =>
  event.dataTransfer?.types.includes("Files") === true && !isPhotoDrag(event);
