// The work room: what is under way; and the dialog that starts colouring.
export { ColourDialog } from "./colour-dialog.tsx";
export { WorkRoom } from "./room.tsx";
