// The actions room: the registry, the keys, undo, the palette.
export { Palette } from "./palette.tsx";
export {
  type Action,
  findAction,
  keyOf,
  listenToKeys,
  registerActions,
  runAction,
  setOwnKeys,
  useActions,
  useAllActions,
} from "./registry.ts";
export { type Deed, perform, redo, undo, useHistory } from "./undo.ts";
