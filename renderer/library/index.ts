export { LibraryRoom } from "./room.tsx";
