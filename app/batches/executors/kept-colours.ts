// The network's colours of one job: taken from an earlier version's file instead of the network, or kept for later.
// Must never: answer with colours of another network or size than was asked for.
import type { Colorizer } from "../../colorize/index.ts";
import type { Chroma, ChromaOrigin } from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";

export interface KeptColours {
  readonly chroma: Chroma;
  readonly origin: ChromaOrigin;
}

export interface JobColorizer {
  /** Stands in for the shared one while the job runs. */
  readonly colorizer: Colorizer;
  /** What the networks gave, where exactly one answer was given: only then is it clear what it belongs to. */
  given(): KeptColours | undefined;
}

/**
 * @param known answers in the network's place; undefined: the network is asked
 * @param clean makes the known colours ready for many looks, once for each picture
 */
export function createJobColorizer(
  network: Colorizer,
  known: KeptColours | undefined,
  clean?: (chroma: Chroma, grey: Float32Array) => Promise<Chroma>,
): JobColorizer {
  const given: KeptColours[] = [];
  const ready = new Map<string, { readonly grey: Float32Array; readonly chroma: Chroma }>();
  return {
    given: () => (given.length === 1 ? given[0] : undefined),
    colorizer: {
      get device() {
        return network.device;
      },
      counts: network.counts,
      warm: network.warm,
      forget: network.forget,
      unload: network.unload,
      chooseAnew: network.chooseAnew,
      async chroma(model, seen, key, signal) {
        const { width, height } = seen;
        if (known === undefined) {
          const coloured = await network.chroma(model, seen, key, signal);
          const { data, device } = coloured;
          const origin = { model: model.id, modelSha256: model.sha256, device };
          given.push({ chroma: { data, width, height }, origin });
          return coloured;
        }
        const { chroma, origin } = known;
        if (origin.modelSha256 !== model.sha256 || chroma.width !== width || chroma.height !== height) {
          throw new AutochromeError(
            "workflow-invalid",
            "Another model or size cannot be had by tuning: the network has to run for it.",
            "Colour the photo anew with this model and size.",
          );
        }
        given.push(known);
        const answer = (grey: Float32Array, { data, isClean }: Chroma) => ({
          ...{ data, grey, networkMs: 0, device: origin.device, notes: [] },
          ...(isClean === undefined ? {} : { isClean }),
        });
        const before = key === undefined ? undefined : ready.get(key);
        if (before !== undefined) return answer(before.grey, before.chroma);
        const grey = await seen.see();
        if (clean === undefined || key === undefined) return answer(grey, chroma);
        const prepared = { grey: shared(grey), chroma: await clean(chroma, grey) };
        ready.set(key, prepared);
        return answer(grey, prepared.chroma);
      },
    },
  };
}

/** In memory that goes to the workers without being copied. */
function shared(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
