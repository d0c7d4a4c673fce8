// The window begins here: words, memory, events, then the frame.
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { connect, queryClient } from "./engine/index.ts";
import { Frame } from "./frame/index.ts";
import { currentMemory, loadMemory } from "./state/index.ts";
import { startWords, systemLanguage } from "./words/index.ts";
import "./style/base.css";

const { language } = currentMemory();
await startWords(language === "system" ? systemLanguage() : language);
connect();
await loadMemory().catch(() => undefined); // the engine may come later; the browser's copy will do
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Frame />
    </QueryClientProvider>
  </StrictMode>,
);
