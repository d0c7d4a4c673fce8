export { WorkflowsRoom } from "./room.tsx";
