import fc from "fast-check";
import { expect, test } from "vitest";
import { escapeMarkup } from "./markup.ts";

test("no text becomes markup, and none but forbidden characters is lost", () => {
  const hostile = fc.constantFrom("<", ">", "&", '"', "'", "&amp;", "</svg>", "\0", "\x1b", "\ud800", "照");
  const text = fc
    .array(fc.oneof(hostile, fc.string({ unit: "binary", maxLength: 5 })))
    .map((all) => all.join(""));
  fc.assert(
    fc.property(text, (title) => {
      const escaped = escapeMarkup(title);
      expect(escaped).not.toMatch(/[<>"'\0\x1b]|&(?!(amp|lt|gt|quot|#39);)/);
      const back = escaped
        .replaceAll("&lt;", "<")
        .replaceAll("&gt;", ">")
        .replaceAll("&quot;", '"')
        .replaceAll("&#39;", "'")
        .replaceAll("&amp;", "&");
      expect(back).toBe(title.toWellFormed().replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, ""));
    }),
  );
});
