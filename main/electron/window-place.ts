// Where the window was: kept in a small file, and only used while it still lies on a screen.
// Must never: put a window where nobody can reach it.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { writeFileAtomically } from "../../app/kernel/index.ts";

const placeSchema = z.object({
  x: z.int(),
  y: z.int(),
  width: z.int().min(640).max(20_000),
  height: z.int().min(480).max(20_000),
  isMaximized: z.boolean(),
});
export type WindowPlace = z.infer<typeof placeSchema>;
export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const USUAL = { width: 1440, height: 900 };
/** So much of its top has to be on a screen, in pixels, for people to take hold of it. */
const GRIP = { width: 120, height: 40 };

/** @param screens work areas of all screens */
export function placeFrom(file: string, screens: readonly Area[]): Partial<WindowPlace> & typeof USUAL {
  const known = readPlace(file);
  if (known === undefined) return USUAL;
  const { x, y, width, height, isMaximized } = known;
  const isReachable = screens.some(
    (screen) =>
      Math.min(x + width, screen.x + screen.width) - Math.max(x, screen.x) >= GRIP.width &&
      y >= screen.y - 8 &&
      y + GRIP.height <= screen.y + screen.height,
  );
  return isReachable ? known : { width, height, isMaximized };
}

export async function keepPlace(file: string, place: WindowPlace): Promise<void> {
  await writeFileAtomically(file, JSON.stringify(place), { overwrite: true }).catch(() => undefined); // a convenience
}

function readPlace(file: string): WindowPlace | undefined {
  try {
    return placeSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}
