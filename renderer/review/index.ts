export { ReviewRoom } from "./room.tsx";
