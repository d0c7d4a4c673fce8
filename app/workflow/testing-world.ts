// What tests share that judge and convert graphs without running them: a world that has two pictures and the embedded
// model.
import { openModelStore } from "../modelstore/index.ts";
import type { World } from "./node.ts";

/** @param names pictures that there are */
export function worldOf(names: readonly string[] = ["input.jpg", "a.png"]): World {
  const files: Pick<World["files"], "list" | "find"> = {
    list: () => names,
    find: (name) => (names.includes(name) ? `/pictures/${name}` : undefined),
  };
  const imageModels: Pick<World["imageModels"], "names" | "folder"> = {
    names: () => [],
    folder: "/models",
  };
  const models = openModelStore("/nowhere");
  // Nothing else is looked at before a graph runs.
  return { files, imageModels, models } as unknown as World;
}
