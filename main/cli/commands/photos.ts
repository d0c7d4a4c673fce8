// `photos`: the library's photos, a line each.
import { listPhotos } from "../../../app/catalogue/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";

export async function photos(
  flags: { readonly library?: string; readonly album?: string; readonly search?: string },
  output: Output,
): Promise<number> {
  const engine = createEngine({ library: flags.library });
  try {
    const library = await engine.library();
    let count = 0;
    let after: string | undefined;
    do {
      const page = listPhotos(library, {
        ...(flags.album === undefined ? {} : { album: flags.album }),
        ...(flags.search === undefined ? {} : { search: flags.search }),
        ...(after === undefined ? {} : { after }),
        limit: 500,
        sort: "imported",
      });
      for (const photo of page.photos) {
        count++;
        output.line(photo);
        const words = [photo.takenAt, photo.title].filter((word) => word !== undefined).join("  ");
        output.result(
          printable(`${photo.id}  ${photo.width} × ${photo.height}  ${photo.path}  ${words}`.trimEnd()),
        );
      }
      after = page.next;
    } while (after !== undefined);
    output.summary({ photos: count }, `${count} ${count === 1 ? "photo" : "photos"}.`);
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}
