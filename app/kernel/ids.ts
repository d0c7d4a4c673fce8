// Sortable ids. Owns: making and checking them. Must never: carry meaning beyond time order.
import { randomFillSync } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base 32, lower case
const LENGTH = 26; // 10 characters of time (48 bits), 16 of chance (80 bits): the ULID layout

let lastTime = 0;
const chance = new Uint8Array(16);

/**
 * A new id: 26 lower-case characters that sort by the time of their making; ids made in one process are
 * strictly increasing, even within a millisecond or when the clock is set back.
 * @param now milliseconds since 1970 (only tests pass it)
 */
export function newId(now: number = Date.now()): string {
  if (now > lastTime) {
    lastTime = now;
    randomFillSync(chance);
    for (let i = 0; i < chance.length; i++) chance[i] = (chance[i] as number) & 31;
    chance[0] = (chance[0] as number) & 15; // head room, so that counting up never overflows
  } else {
    countUp();
  }
  let time = "";
  let rest = lastTime;
  for (let i = 0; i < 10; i++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let id = time;
  for (const digit of chance) id += ALPHABET[digit];
  return id;
}

/** Whether the text has the form of an id of ours (it may still name nothing). */
export function isId(text: string): boolean {
  return text.length === LENGTH && /^[0-9a-hjkmnp-tv-z]+$/.test(text);
}

function countUp(): void {
  for (let i = chance.length - 1; i >= 0; i--) {
    const digit = chance[i] as number;
    if (digit < 31) {
      chance[i] = digit + 1;
      return;
    }
    chance[i] = 0;
  }
}
