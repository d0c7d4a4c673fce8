// The engine room of the window: calls, live answers, events.
export { type Answers, type Ask, addressOf, call, EngineError, problemFrom } from "./client.ts";
export { type Connection, connect, onEvent, queryClient, refresh, useConnection, useEngine } from "./live.ts";
export { type Shell, shell } from "./shell.ts";
