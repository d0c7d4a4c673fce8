import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExifTool } from "exiftool-vendored";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { closeMetadata, parsePhotoDate, readMetadata, writeResultMetadata } from "./metadata.ts";
import { openImage } from "./open.ts";
import { colourFile, LIMITS, PROVENANCE, sceneOf, storedPixels } from "./testing.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

let workers: PixelWorkers;
let exiftool: ExifTool;
let folder: string;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 1, limits: LIMITS });
  exiftool = new ExifTool({ maxProcs: 1, taskTimeoutMillis: 60_000 });
});
afterAll(() => Promise.all([workers.close(), exiftool.end(), closeMetadata()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-metadata-"));
});
afterEach(() => rm(folder, { recursive: true }));

const anything = z.record(z.string(), z.unknown());

/** Tags by group and name; structures as structures, numbers as stored. */
async function tagsOf(file: string, ...which: string[]): Promise<Record<string, unknown>> {
  return anything.parse(await exiftool.readRaw(file, { readArgs: ["-G1", "-struct", "-n", "-a", ...which] }));
}

const CARRIED = {
  "EXIF:Artist": "Dorothea Lange",
  "EXIF:Copyright": "public domain",
  "EXIF:DateTimeOriginal": "1936:02:11 10:00:00",
  "EXIF:Make": "Epson",
  "EXIF:ImageDescription": "Migrant mother & children <3",
  "IPTC:City": "Nipomo",
  "IPTC:Keywords": "destitute",
  "IPTC:Caption-Abstract": "A caption – with a dash",
  "XMP-dc:Title": "Migrant Mother",
  "XMP-xmp:Rating": "4",
  "XMP-photoshop:State": "California",
} as const;

async function described(name: string, ...more: string[]): Promise<string> {
  const source = join(folder, name);
  const image = sceneOf(64, 48, 3, 8).withMetadata({ orientation: 6, density: 300 });
  await (name.endsWith("tif")
    ? image.tiff({ compression: "lzw", xres: 11.811, yres: 11.811 })
    : image
  ).toFile(source);
  const carried = Object.entries(CARRIED).map(([tag, value]) => `-${tag}=${value}`);
  await exiftool.write(
    source,
    {},
    {
      writeArgs: ["-overwrite_original", "-codedcharacterset=utf8", ...carried, ...more],
      ignoreMinorErrors: true,
    },
  );
  return source;
}

describe.each(["photo.jpg", "photo.tif", "photo.png", "photo.webp"])("%s", (name) => {
  test("says in its result what it said, that it is upright, and how it was made", async () => {
    const source = await described(name, "-EXIF:Software=Epson Scan", "-XMP-tiff:Orientation=6");
    const before = await readFile(source);
    const { target, result, notes } = await colourFile(workers, source, folder);
    expect(notes).toEqual([]);
    expect(result.isMarked).toBe(false);
    const pixels = await storedPixels(target);
    expect(pixels).toMatchObject({ width: 48, height: 64 });
    const tags = await tagsOf(target);
    for (const [tag, value] of Object.entries(CARRIED)) {
      if (tag.startsWith("IPTC") && name.endsWith("webp")) continue; // WebP has no place for it
      const [group = "", short = ""] = tag.split(":");
      const groups = group === "EXIF" ? ["IFD0", "ExifIFD"] : [group];
      const found = groups.map((one) => tags[`${one}:${short}`]).find((one) => one !== undefined);
      expect([tag, String(found)]).toEqual([tag, value]);
    }
    expect(tags["IFD0:Orientation"]).toBe(1);
    expect(tags["XMP-tiff:Orientation"] ?? 1).toBe(1);
    expect(tags["IFD0:Software"]).toBe("Autochrome 0.1.0");
    expect(tags["ExifIFD:ExifImageWidth"]).toBe(48);
    expect(tags["ExifIFD:ExifImageHeight"]).toBe(64);
    expect(tags["XMP-xmp:CreatorTool"]).toBe("Autochrome 0.1.0");
    expect(tags["XMP-iptcExt:DigitalSourceType"]).toBe(
      "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    );
    expect(tags["XMP-xmpMM:History"]).toEqual([
      {
        Action: "colorized",
        SoftwareAgent: "Autochrome 0.1.0",
        When: "2026:01:02 03:04:05.678Z",
        Parameters: `model=ddcolor-tiny; modelSha256=${"ab".repeat(32)}; device=cpu; modelWidth=512; modelHeight=512; colorFactor=1; parity=false`,
      },
    ]);
    expect(await readFile(source)).toEqual(before);
  });

  test("the scan's resolution is kept", async () => {
    const source = await described(name);
    const { target } = await colourFile(workers, source, folder);
    const tags = await tagsOf(target);
    const density = name.endsWith("webp")
      ? Number(tags["IFD0:XResolution"]) // sharp does not look there
      : ((await sharp(target).metadata()).density ?? 0);
    expect(Math.round(density)).toBe(300);
  });

  test("a history that is there goes on, in order", async () => {
    const history = "{Action=scanned,SoftwareAgent=Epson},{Action=cropped,SoftwareAgent=GIMP}";
    const source = await described(name, `-XMP-xmpMM:History=[${history}]`);
    const { target } = await colourFile(workers, source, folder);
    const found = z
      .array(z.object({ Action: z.string(), SoftwareAgent: z.string() }))
      .parse((await tagsOf(target))["XMP-xmpMM:History"]);
    expect(found.map(({ Action }) => Action)).toEqual(["scanned", "cropped", "colorized"]);
    expect(found.map(({ SoftwareAgent }) => SoftwareAgent)).toEqual(["Epson", "GIMP", "Autochrome 0.1.0"]);
  });

  test("the same record gives the same bytes", async () => {
    const source = await described(name);
    const [one, other] = [
      await colourFile(workers, source, folder),
      await colourFile(workers, source, folder),
    ];
    expect(await readFile(one.target)).toEqual(await readFile(other.target));
  });

  test("pixels are not touched by metadata", async () => {
    const source = await described(name);
    const target = join(folder, `target${name.slice(name.lastIndexOf("."))}`);
    await sceneOf(64, 48, 3, 8)
      .tiff({ compression: "deflate" })
      .toFormat(name.endsWith("tif") ? "tiff" : "png")
      .toFile(target);
    const before = await storedPixels(target);
    await writeResultMetadata(source, target, { width: 64, height: 48, isMarked: false }, PROVENANCE);
    expect(await storedPixels(target)).toEqual(before);
  });
});

test.each(["photo.jpg", "photo.png", "photo.webp", "photo.avif"])(
  "%s without metadata is marked while it is encoded, with the same marks and the same bytes",
  async (name) => {
    const source = join(folder, name);
    await sceneOf(64, 48, 3, 8).toFile(source);
    expect(await openImage(source, LIMITS)).toMatchObject({ isBare: true, hasMetadata: false });
    const early = await colourFile(workers, source, folder);
    const again = await colourFile(workers, source, folder);
    const late = await colourFile(workers, source, folder, { early: false });
    expect([early.result.isMarked, late.result.isMarked]).toEqual([true, false]);
    expect(await readFile(again.target)).toEqual(await readFile(early.target));
    const marks = async (file: string) => {
      const { SourceFile: _, "XMP-x:XMPToolkit": __, ...tags } = await tagsOf(file, "-XMP:all");
      return tags;
    };
    const found = await marks(early.target);
    expect(found).toEqual(await marks(late.target));
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(["XMP-xmp:CreatorTool", "XMP-iptcExt:DigitalSourceType", "XMP-xmpMM:History"]),
    );
    const { Validate, Warning } = await tagsOf(early.target, "-validate", "-warning");
    expect([Validate ?? 0, Warning]).toEqual([Validate ?? 0, undefined]);
    expect((await storedPixels(early.target)).samples).toEqual((await storedPixels(late.target)).samples);
  },
);

test("marks survive any text", async () => {
  const source = join(folder, "photo.png");
  await sceneOf(16, 16, 3, 8).toFile(source);
  const model = 'a, b {c} [d] | e & <f> "g" =h 中文 \n i';
  const provenance = { ...PROVENANCE, model };
  const marks = async (early: boolean) => {
    const { target } = await colourFile(workers, source, folder, { provenance, early });
    return (await tagsOf(target, "-XMP:all"))["XMP-xmpMM:History"];
  };
  const [early, late] = [await marks(true), await marks(false)];
  expect(early).toEqual(late);
  expect(JSON.stringify(early)).toContain('model=a, b {c} [d] | e & <f> \\"g\\" =h 中文 i;');
});

test.each([
  ["a comment", "photo.jpg", "-Comment=found in the attic"],
  ["a text chunk", "photo.png", "-PNG:Author=grandmother"],
  ["only XMP", "photo.webp", "-XMP-dc:Title=Hello"],
])("%s counts as metadata and is carried over", async (_, name, tag) => {
  const source = join(folder, name);
  await sceneOf(16, 16, 3, 8).toFile(source);
  await exiftool.write(source, {}, { writeArgs: ["-overwrite_original", tag] });
  expect(await openImage(source, LIMITS)).toMatchObject({ isBare: false, hasMetadata: true });
  const { target } = await colourFile(workers, source, folder);
  expect(JSON.stringify(await tagsOf(target))).toContain(tag.split("=")[1]);
});

test("a resolution without further metadata is carried over", async () => {
  const source = join(folder, "photo.png");
  await sceneOf(16, 16, 3, 8).withMetadata({ density: 600 }).keepExif().toFile(source);
  const { target } = await colourFile(workers, source, folder);
  expect(Math.round((await sharp(target).metadata()).density ?? 0)).toBe(600);
});

test("embedded previews of the grey original and gain maps stay behind", async () => {
  const preview = join(folder, "preview.jpg");
  await sceneOf(32, 24, 1, 8).jpeg().toFile(preview);
  const source = await described(
    "photo.jpg",
    `-ThumbnailImage<=${preview}`,
    `-PhotoshopThumbnail<=${preview}`,
    "-XMP-hdrgm:Version=1.0",
    "-XMP-GCamera:MotionPhoto=1",
  );
  expect(Object.keys(await tagsOf(source)).join()).toContain("ThumbnailImage");
  const { target } = await colourFile(workers, source, folder);
  const names = Object.keys(await tagsOf(target)).join();
  expect(names).not.toMatch(/Thumbnail|Preview|hdrgm|GCamera/);
});

test("metadata goes from format to format", async () => {
  const source = await described("photo.tif");
  for (const format of ["jpeg", "png", "webp", "avif"] as const) {
    const { target, notes } = await colourFile(workers, source, folder, { format });
    expect(notes).toEqual([]);
    const tags = await tagsOf(target);
    expect(tags["XMP-dc:Title"]).toBe("Migrant Mother");
    expect(tags["IFD0:Artist"]).toBe("Dorothea Lange");
    expect(tags["IFD0:Orientation"]).toBe(1);
  }
});

test("a profile of CMYK or grey does not come along with the metadata", async () => {
  const source = join(folder, "photo.jpg");
  await sceneOf(16, 16, 3, 8).toColourspace("cmyk").withIccProfile("cmyk").jpeg().toFile(source);
  await exiftool.write(source, {}, { writeArgs: ["-overwrite_original", "-XMP-dc:Title=x"] });
  const { target } = await colourFile(workers, source, folder);
  const { icc, space } = await sharp(target).metadata();
  expect(space).toBe("srgb");
  expect(icc).toBeUndefined();
  expect((await tagsOf(target))["XMP-dc:Title"]).toBe("x");
});

test("broken metadata costs a note at most, never the picture", async () => {
  const source = await described("photo.jpg");
  const bytes = await readFile(source);
  const exif = bytes.indexOf("Exif\0\0");
  expect(exif).toBeGreaterThan(0);
  bytes.fill(0xff, exif + 14, exif + 60); // the first directory's entries
  const broken = join(folder, "broken.jpg");
  await writeFile(broken, bytes);
  expect(await readMetadata(broken)).toMatchObject({ people: [] });
  const { target, notes } = await colourFile(workers, broken, folder);
  expect(notes).toEqual(["The original's metadata is damaged and could not be carried over completely."]);
  expect((await tagsOf(target))["XMP-iptcExt:DigitalSourceType"]).toBeDefined();
});

test("a source that is gone costs a note, and the result is marked all the same", async () => {
  const target = join(folder, "target.jpg");
  await sceneOf(16, 16, 3, 8).toFile(target);
  const notes = await writeResultMetadata(
    join(folder, "gone.jpg"),
    target,
    { width: 16, height: 16, isMarked: false },
    PROVENANCE,
  );
  expect(notes).toEqual(["The original's metadata is damaged and could not be carried over completely."]);
  expect((await tagsOf(target))["XMP-xmp:CreatorTool"]).toBe("Autochrome 0.1.0");
});

test("reads titles, places, people, keywords, dates and ratings, from whichever standard has them", async () => {
  const source = join(folder, "photo.jpg");
  await sceneOf(16, 16, 3, 8).toFile(source);
  expect(await readMetadata(source)).toEqual({ people: [], keywords: [] });
  await exiftool.write(
    source,
    {},
    {
      writeArgs: [
        "-overwrite_original",
        "-codedcharacterset=utf8",
        "-IPTC:ObjectName=1936",
        "-IPTC:Caption-Abstract=Großmutter – vor dem Haus",
        "-IPTC:City=Nipomo",
        "-IPTC:Province-State=California",
        "-IPTC:Country-PrimaryLocationName=United States",
        "-XMP-iptcExt:PersonInImage=Florence",
        "-XMP-iptcExt:PersonInImage=42",
        "-IPTC:Keywords=tent",
        "-XMP-dc:Subject=tent",
        "-XMP-dc:Subject=family",
        "-XMP-photoshop:DateCreated=1936-02",
        "-EXIF:CreateDate=2019:05:05 10:00:00",
        "-XMP-xmp:Rating=5",
      ],
    },
  );
  expect(await readMetadata(source)).toEqual({
    title: "1936",
    caption: "Großmutter – vor dem Haus",
    place: "Nipomo, California, United States",
    people: ["Florence", "42"],
    keywords: expect.arrayContaining(["tent", "family"]),
    date: { text: "1936-02", precision: "month" },
    rating: 5,
  });
});

test("descriptions in a TIFF's own tags are seen", async () => {
  const source = join(folder, "scan.tif");
  await sceneOf(16, 16, 1, 16).tiff({ compression: "lzw" }).toFile(source);
  await exiftool.write(source, {}, { writeArgs: ["-overwrite_original", "-IFD0:ImageDescription=plate 12"] });
  expect((await openImage(source, LIMITS)).hasMetadata).toBe(true);
  expect(await readMetadata(source)).toMatchObject({ caption: "plate 12" });
});

test("names with line breaks, dashes and brackets are no trouble for exiftool", async () => {
  for (const name of ["a\nb.jpg", "-c.jpg", "d%f[1].jpg", "💾 é.jpg", "#x.jpg", " y .jpg", "z.jpg "]) {
    const source = join(folder, name);
    const plain = join(folder, "plain.jpg");
    await sceneOf(16, 16, 3, 8).toFile(plain);
    await exiftool.write(plain, {}, { writeArgs: ["-overwrite_original", `-XMP-dc:Title=${name.length}`] });
    await writeFile(source, await readFile(plain));
    expect([name, (await readMetadata(source)).title]).toEqual([name, String(name.length)]);
    const { target, notes } = await colourFile(workers, source, folder);
    expect([name, notes.filter((note) => /metadata/i.test(note))]).toEqual([name, []]);
    expect([name, (await tagsOf(target))["XMP-dc:Title"]]).toEqual([name, name.length]);
  }
});

test.each([
  ["1936:02:11 10:00:00", "1936-02-11", "day"],
  ["1936:02:00", "1936-02", "month"],
  ["1936:00:00", "1936", "year"],
  ["1936", "1936", "year"],
  ["1936-02", "1936-02", "month"],
  ["19360211", "1936-02-11", "day"],
  ["1936:02:30", "1936-02", "month"],
  ["1936:13:01", "1936", "year"],
  ["2000-02-29T12:00:00Z", "2000-02-29", "day"],
  ["1900-02-29", "1900-02", "month"],
] as const)("the date %s is %s", (value, text, precision) => {
  expect(parsePhotoDate(value)).toEqual({ text, precision });
});

test.each([undefined, "", "0000:00:00 00:00:00", "1750-01-01", "9999", "about 1930", "12", "19361"])(
  "%s is no date",
  (value) => {
    expect(parsePhotoDate(value)).toBeUndefined();
  },
);
