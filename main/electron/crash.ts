// The page that is shown when the engine ended for good: what happened, its last words, and a way on.
const WORDS = {
  en: {
    title: "Autochrome's engine has stopped.",
    about:
      "Your photographs and all finished work are safe; unfinished photos wait in the queue. Start it again. If it stops again, copy the report below and send it to us.",
    again: "Start again",
    copy: "Copy report",
  },
  zh: {
    title: "Autochrome 的引擎已停止运行。",
    about:
      "您的照片和已完成的结果都完好无损，未完成的照片仍在队列中。请重新启动；如果再次停止，请复制下面的报告发给我们。",
    again: "重新启动",
    copy: "复制报告",
  },
};
const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
const words = WORDS[language];
const set = (id: string, text: string) => {
  const element = document.getElementById(id);
  if (element !== null) element.textContent = text;
};
for (const [id, text] of Object.entries(words)) set(id, text);

interface CrashShell {
  crash(): Promise<{ why: string; log: string }>;
  restartEngine(): Promise<void>;
}
const shell: unknown = Reflect.get(window, "autochrome");
const isShell = (value: unknown): value is CrashShell =>
  typeof value === "object" && value !== null && "crash" in value;

async function begin(): Promise<void> {
  if (!isShell(shell)) return;
  const { log } = await shell.crash();
  const area = document.getElementById("log");
  if (area instanceof HTMLTextAreaElement) area.value = log;
  document.getElementById("again")?.addEventListener("click", () => void shell.restartEngine());
  document.getElementById("copy")?.addEventListener("click", () => void navigator.clipboard.writeText(log));
  document.getElementById("again")?.focus();
}
void begin();

export {};
