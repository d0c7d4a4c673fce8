// Secrets of the settings (keys of clusters and servers), kept by the system's key store; the engine gets them as environment.
//
// Owns: the file with what the system encrypted. Must never: show a secret to the window, or keep one in plain text.
import { readFileSync } from "node:fs";
import type { SafeStorage } from "electron";
import { z } from "zod";
import { environmentName, writeFileAtomically } from "../../app/kernel/index.ts";
import type { Secrets } from "./contract.ts";

/** Settings that are secrets. */
const NAMES: ReadonlySet<string> = new Set(["clusterStoreKey", "remoteKey"]);
const fileSchema = z.record(z.string(), z.string());

type Storage = Pick<SafeStorage, "isEncryptionAvailable" | "encryptString" | "decryptString"> &
  Partial<Pick<SafeStorage, "getSelectedStorageBackend">>;

export interface SecretStore {
  facts(): Secrets;
  /** @throws Error for an unknown name, or where the system keeps nothing */
  set(name: string, value: string | null): Promise<Secrets>;
  /** For the engine. */
  environment(): Record<string, string>;
}

export function openSecrets(file: string, storage: Storage, platform: NodeJS.Platform): SecretStore {
  let stored = read(file);
  const backend = () =>
    platform === "linux" ? (storage.getSelectedStorageBackend?.() ?? "unknown") : platform;
  const facts = (): Secrets => ({
    stored: Object.keys(stored),
    isStrong: storage.isEncryptionAvailable() && !["basic_text", "unknown"].includes(backend()),
    backend: backend(),
  });
  return {
    facts,
    async set(name, value) {
      if (!NAMES.has(name)) throw new Error(`${name} is no secret`);
      const { [name]: _, ...others } = stored;
      if (value !== null && !storage.isEncryptionAvailable()) throw new Error("the system keeps no secrets");
      const next =
        value === null ? others : { ...others, [name]: storage.encryptString(value).toString("base64") };
      await writeFileAtomically(file, JSON.stringify(next), { overwrite: true });
      stored = next;
      return facts();
    },
    environment() {
      if (!storage.isEncryptionAvailable()) return {};
      return Object.fromEntries(
        Object.entries(stored).flatMap(([name, text]) => {
          try {
            return [[environmentName(name), storage.decryptString(Buffer.from(text, "base64"))]];
          } catch {
            return []; // of another user or computer
          }
        }),
      );
    },
  };
}

function read(file: string): Record<string, string> {
  try {
    const all = fileSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    return Object.fromEntries(Object.entries(all).filter(([name]) => NAMES.has(name)));
  } catch {
    return {};
  }
}
