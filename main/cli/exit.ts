// The exit codes of the contract.
export const EXIT = {
  ok: 0,
  /** Some items failed. */
  failed: 1,
  /** The command or the set-up makes no sense; nothing was done. */
  usage: 2,
  /** Stopped by the user; finished work is kept. */
  interrupted: 130,
} as const;
