import { describe, expect, test, vi } from "vitest";
import type { PhotoCard } from "../../app/api/library/contract.ts";
import { createCards } from "./cards.ts";

const card = (id: string, title = id): PhotoCard => ({
  id,
  name: `${id}.jpg`,
  title,
  width: 3,
  height: 2,
  isMono: true,
  isMissing: false,
  state: "plain",
  versions: 0,
});
const names = (from: number, count: number) => Array.from({ length: count }, (_, at) => `p${from + at}`);

/** An engine that answers when it is told to. */
function slowEngine() {
  const asked: { ids: readonly string[]; signal: AbortSignal; answer: (cards: PhotoCard[]) => void }[] = [];
  const fetchCards = (ids: readonly string[], signal: AbortSignal) =>
    new Promise<PhotoCard[]>((resolve, reject) => {
      asked.push({ ids, signal, answer: resolve });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  return { asked, fetchCards };
}

describe("cards", () => {
  test("come in batches of at most 200, each asked for once, the most urgent first", async () => {
    const { asked, fetchCards } = slowEngine();
    const cards = createCards(fetchCards);
    cards.want(names(0, 450));
    expect(asked.map(({ ids }) => ids.length)).toEqual([200, 200, 50]);
    expect(asked.flatMap(({ ids }) => ids)).toEqual(names(0, 450));
    cards.want(names(0, 450));
    expect(asked.length).toBe(3);
    for (const { ids, answer } of asked) answer(ids.map((id) => card(id)));
    await vi.waitFor(() => expect(cards.get("p449")?.title).toBe("p449"));
    cards.want(names(0, 450));
    expect(asked.length).toBe(3);
  });

  test("that scrolled away are given up, those still seen are not", () => {
    const { asked, fetchCards } = slowEngine();
    const cards = createCards(fetchCards);
    cards.want(names(0, 100));
    cards.want(names(50, 100));
    expect(asked[0]?.signal.aborted).toBe(false);
    expect(asked[1]?.ids).toEqual(names(100, 50));
    cards.want(names(5000, 100));
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  });

  test("that changed are asked for anew when wanted, also when the change came while they were under way", async () => {
    const { asked, fetchCards } = slowEngine();
    const cards = createCards(fetchCards);
    const heard = vi.fn();
    cards.subscribe("p1", heard);
    cards.want(["p1"]);
    cards.forget(["p1", "p2"]);
    expect(asked.length).toBe(1);
    asked[0]!.answer([card("p1", "old")]);
    await vi.waitFor(() => expect(asked.length).toBe(2));
    expect(cards.get("p1")?.title).toBe("old"); // rather the old one than nothing
    asked[1]!.answer([card("p1", "new")]);
    await vi.waitFor(() => expect(cards.get("p1")?.title).toBe("new"));
    expect(heard).toHaveBeenCalledTimes(2);
    expect(asked.length).toBe(2);
  });

  test("of photos that are gone are not asked for again and again", async () => {
    const { asked, fetchCards } = slowEngine();
    const cards = createCards(fetchCards);
    cards.want(["gone"]);
    asked[0]!.answer([]);
    await Promise.resolve();
    cards.want(["gone"]);
    expect(asked.length).toBe(1);
    expect(cards.get("gone")).toBeUndefined();
  });

  test("are asked for again after a failure", async () => {
    vi.useFakeTimers();
    try {
      let times = 0;
      const cards = createCards(async (ids) => {
        if (times++ === 0) throw new Error("away");
        return ids.map((id) => card(id));
      });
      cards.want(["p1"]);
      await vi.advanceTimersByTimeAsync(1500);
      expect(cards.get("p1")?.title).toBe("p1");
      expect(times).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  test("beyond what is kept the oldest are dropped, never those that are seen", async () => {
    const cards = createCards(async (ids) => ids.map((id) => card(id)), 300);
    cards.want(names(0, 200));
    await vi.waitFor(() => expect(cards.get("p199")).toBeDefined());
    cards.want(names(200, 200));
    await vi.waitFor(() => expect(cards.get("p399")).toBeDefined());
    expect(cards.get("p0")).toBeUndefined();
    expect(names(200, 200).every((id) => cards.get(id) !== undefined)).toBe(true);
  });
});
