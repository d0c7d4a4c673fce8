export { WelcomeRoom } from "./room.tsx";
