// The library's dialogs, whichever is asked for.
import { useTranslation } from "react-i18next";
import type { LibraryFacts } from "../../app/api/library/contract.ts";
import { call, refresh } from "../engine/index.ts";
import { goTo, useShown } from "../state/index.ts";
import { makeAlbum } from "./album-deeds.ts";
import { AlbumDialog } from "./album-dialog.tsx";
import { ask, useAsked } from "./asks.ts";
import { renameAlbum } from "./deeds.ts";
import { ExportDialog } from "./export-dialog.tsx";
import { ImportDialog } from "./import-dialog.tsx";
import { NameDialog } from "./name-dialog.tsx";
import { RemoveDialog } from "./remove-dialog.tsx";
import { ReportDialog } from "./report-dialog.tsx";
import { chosenNow } from "./use-library-actions.ts";
import { WatchedDialog } from "./watched-dialog.tsx";
import "./dialogs.css";

const close = () => ask(undefined);

export interface DialogsProps {
  readonly library: LibraryFacts | undefined;
  /** Name of the album that is shown. */
  readonly albumName: string | undefined;
}

export function Dialogs({ library, albumName }: DialogsProps) {
  const { t } = useTranslation();
  const asked = useAsked();
  const shown = useShown();
  const albums = library?.albums ?? [];
  switch (asked?.kind) {
    case undefined:
      return null;
    case "import":
      return (
        <ImportDialog
          albums={albums.map(({ name }) => name)}
          album={albumName}
          onWatched={() => ask({ kind: "watched" })}
          onClose={close}
        />
      );
    case "watched":
      return <WatchedDialog onClose={close} />;
    case "export":
      return (
        <ExportDialog photos={chosenNow()} query={shown.query} shown={shown.ids.length} onClose={close} />
      );
    case "album":
      return <AlbumDialog albums={albums} photos={chosenNow()} onClose={close} />;
    case "newAlbum":
      return (
        <NameDialog
          title={t("library.newAlbum")}
          label={t("library.albumName")}
          deed={t("library.create")}
          onClose={close}
          onName={async (name) => {
            const id = await makeAlbum(name, [], t);
            if (id !== undefined) goTo({ room: "library", query: { album: id } });
          }}
        />
      );
    case "renameAlbum":
      return (
        <NameDialog
          title={t("library.renameTitle", { name: asked.name })}
          label={t("library.albumName")}
          name={asked.name}
          deed={t("library.rename")}
          onClose={close}
          onName={(name) => renameAlbum(asked.id, asked.name, name)}
        />
      );
    case "session":
      return <SessionDialog />;
    case "remove":
      return <RemoveDialog photos={chosenNow()} onClose={close} />;
    case "report":
      return <ReportDialog job={asked.job} onClose={close} />;
  }
}

/** A session of the photos that are chosen, or of all that are shown. */
function SessionDialog() {
  const { t } = useTranslation();
  const { ids } = useShown();
  const chosen = chosenNow();
  const photos = chosen.length > 0 ? chosen : ids;
  return (
    <NameDialog
      title={t("library.startSession")}
      about={t("library.sessionAbout", { count: photos.length })}
      label={t("library.sessionName")}
      deed={t("library.start")}
      onClose={close}
      onName={async (name) => {
        const session = await call("createSession", { body: { name, note: "", photos } });
        refresh("sessions");
        goTo({ room: "review", query: { session: session.id } });
      }}
    />
  );
}
