import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chosen, type Gesture, gestureOf, inOrder } from "./choosing.ts";

const ids = ["a", "b", "c", "d", "e", "f"];
const none = { ids: new Set<string>(), anchor: undefined };
/** The choice after some gestures. */
const choiceAfter = (...gestures: [Gesture, number][]) =>
  gestures.reduce(
    (selection, [gesture, at]) => chosen(selection, ids, at, gesture),
    none as ReturnType<typeof chosen>,
  );

describe("choosing", () => {
  test("a click chooses one, Ctrl adds and takes away", () => {
    expect([...choiceAfter(["only", 1], ["only", 3]).ids]).toEqual(["d"]);
    expect([...choiceAfter(["only", 1], ["toggle", 3]).ids]).toEqual(["b", "d"]);
    expect([...choiceAfter(["only", 1], ["toggle", 3], ["toggle", 1]).ids]).toEqual(["d"]);
  });
  test("Shift chooses from the anchor, again and again from the same one", () => {
    expect([...choiceAfter(["only", 1], ["range", 3]).ids]).toEqual(["b", "c", "d"]);
    expect([...choiceAfter(["only", 3], ["range", 5], ["range", 1]).ids]).toEqual(["b", "c", "d"]);
    expect([...choiceAfter(["range", 2]).ids]).toEqual(["c"]);
  });
  test("Ctrl and Shift add a range", () => {
    expect([...choiceAfter(["only", 0], ["toggle", 3], ["add", 5]).ids]).toEqual(["a", "d", "e", "f"]);
  });
  test("an anchor that is not shown any more is no anchor", () => {
    expect(chosen({ ids: new Set(["gone"]), anchor: "gone" }, ids, 2, "range")).toEqual({
      ids: new Set(["c"]),
      anchor: "c",
    });
    expect(chosen(none, ids, 99, "only")).toBe(none);
  });
  test("whatever the gestures, the last photo meant is chosen or was taken away by Ctrl, and only shown ones are", () => {
    const gesture = fc.constantFrom<Gesture>("only", "toggle", "range", "add");
    fc.assert(
      fc.property(fc.array(fc.tuple(gesture, fc.nat(5)), { minLength: 1 }), (gestures) => {
        const result = choiceAfter(...gestures);
        const [last, at] = gestures.at(-1)!;
        if (last !== "toggle") expect(result.ids.has(ids[at]!)).toBe(true);
        for (const id of result.ids) expect(ids).toContain(id);
      }),
    );
  });
  test("keys say which gesture it is; Command counts as Ctrl", () => {
    const keys = { ctrlKey: false, metaKey: false, shiftKey: false };
    expect(gestureOf(keys)).toBe("only");
    expect(gestureOf({ ...keys, metaKey: true })).toBe("toggle");
    expect(gestureOf({ ...keys, shiftKey: true })).toBe("range");
    expect(gestureOf({ ...keys, shiftKey: true, ctrlKey: true })).toBe("add");
  });
  test("the choice is acted on in the order that is seen", () => {
    expect(inOrder(new Set(["e", "gone", "a"]), ids)).toEqual(["a", "e", "gone"]);
    expect(inOrder(new Set(), ids)).toEqual([]);
  });
});
