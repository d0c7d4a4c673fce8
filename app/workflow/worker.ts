// A pixel node's run, in a pixel worker thread. Must never: hold state between tasks.
import { type Limits, type ModuleTask, withScratch } from "../imaging/index.ts";
import { NODES } from "./library.ts";
import type { PixelContext } from "./node.ts";

/** What a thread is told. */
export interface PixelTask {
  readonly class: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Scratch files lie beside this path. */
  readonly scratchBeside: string;
  readonly limits: Limits;
}

const run: ModuleTask<PixelTask, readonly unknown[]> = (task, control) => {
  const node = NODES.get(task.class);
  if (node?.place !== "pixels") throw new Error(`${task.class} is no pixel node`);
  return withScratch(task.scratchBeside, control.throwIfStopped, async (place) => {
    const context: PixelContext = { ...place, limits: task.limits, progress: control.progress };
    // The declaration's types and the validated inputs agree; the library holds nodes of all types.
    return (await node.run(task.inputs, context as never)) as readonly unknown[];
  });
};
export default run;
