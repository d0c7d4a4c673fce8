// What the rooms share: the place in the window, the choice of photos, memory, notices.
export { currentMemory, loadMemory, type Memory, remember, useMemory } from "./memory.ts";
export { dismiss, type Notice, notify, tell, useNotices, wordsFor, wordsForProblem } from "./notices.ts";
export { currentPlace, goTo, hashOf, type Place, placeOf, ROOMS, type Room, usePlace } from "./place.ts";
export {
  currentlyShown,
  currentSelection,
  type Selection,
  select,
  show,
  useSelection,
  useShown,
} from "./selection.ts";
