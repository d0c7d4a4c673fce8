// The application's menu, made from the window's own actions; beside them only what the system wants there.
// Must never: know what an action does.
import type { MenuItemConstructorOptions } from "electron";
import type { z } from "zod";
import type { asks } from "./contract.ts";

export type MenuAction = z.infer<(typeof asks)["setActions"]>[0][number];

/** @param run is called with the action's id */
export function menuTemplate(
  actions: readonly MenuAction[],
  name: string,
  isMac: boolean,
  run: (id: string) => void,
): MenuItemConstructorOptions[] {
  const groups = new Map<string, MenuAction[]>();
  for (const action of actions) groups.set(action.group, [...(groups.get(action.group) ?? []), action]);
  const own = [...groups].map(
    ([label, members]): MenuItemConstructorOptions => ({
      label,
      submenu: members.map((action) => ({
        label: action.label,
        enabled: action.isPossible,
        ...(action.key === undefined
          ? {}
          : { accelerator: acceleratorOf(action.key), registerAccelerator: false }),
        click: () => run(action.id),
      })),
    }),
  );
  return [
    ...(isMac ? [{ label: name, role: "appMenu" as const }] : []),
    ...own,
    { role: "editMenu" },
    {
      role: "viewMenu",
      submenu: [
        { role: "resetZoom" },
        { role: "zoomIn" },
        { role: "zoomOut" },
        { type: "separator" },
        { role: "togglefullscreen" },
      ],
    },
    { role: "windowMenu" },
  ];
}

/** "Ctrl+Shift+Z" as Electron writes it; the window itself listens to the keys. */
export function acceleratorOf(key: string): string {
  return key
    .replace(/^Ctrl/, "CommandOrControl")
    .replace(/Arrow(Up|Down|Left|Right)$/, "$1")
    .replace(/Escape$/, "Esc");
}
