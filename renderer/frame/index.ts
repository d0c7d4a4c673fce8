// The frame around the rooms.
export { Frame } from "./frame.tsx";
