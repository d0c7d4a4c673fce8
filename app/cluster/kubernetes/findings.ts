// What `cluster check` is asked and answers. Owns: these types. Must never: do anything.

export interface Finding {
  readonly about: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do, where something is to be done. */
  readonly next?: string;
}

export interface CheckOptions {
  /** Of the pods; unset: what needs it is left out. */
  readonly image?: string | undefined;
  /** Name of the resource that GPUs are asked for by; unset: pods on CPUs. */
  readonly gpu?: string | undefined;
  /** LocalQueue of Kueue. */
  readonly queue?: string | undefined;
  /** Where the storage is reached through the API server's proxy: the service, "autochrome:8188". */
  readonly proxied?: string | undefined;
  /** What the storage's own check found, or that there is none. */
  readonly storage?: { readonly ok: boolean; readonly message: string; readonly next: string } | undefined;
  readonly signal?: AbortSignal | undefined;
}
