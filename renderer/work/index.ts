export { ColourDialog } from "./colour-dialog.tsx";
export { WorkRoom } from "./room.tsx";
