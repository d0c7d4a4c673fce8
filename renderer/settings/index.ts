export { SettingsRoom } from "./room.tsx";
