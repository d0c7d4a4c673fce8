// Asks for a name: of an album, of a session.
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { tell } from "../state/index.ts";
import { Button, Dialog } from "../style/index.ts";

export interface NameDialogProps {
  readonly title: string;
  readonly about?: string;
  readonly label: string;
  readonly name?: string;
  /** What the button says. */
  readonly deed: string;
  readonly onClose: () => void;
  /** A failure is told, and the dialog stays. */
  readonly onName: (name: string) => Promise<void>;
}

export function NameDialog({ title, about, label, name = "", deed, onClose, onName }: NameDialogProps) {
  const { t } = useTranslation();
  const form = useId();
  const [typed, setTyped] = useState(name);
  const [isBusy, setBusy] = useState(false);
  const isGood = typed.trim() !== "";

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!isGood || isBusy) return;
    setBusy(true);
    onName(typed.trim()).then(onClose, (thrown: unknown) => {
      setBusy(false);
      tell(thrown);
    });
  }
  return (
    <Dialog
      title={title}
      {...(about === undefined ? {} : { about })}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{t("frame.cancel")}</Button>
          <Button kind="primary" type="submit" form={form} disabled={!isGood || isBusy}>
            {deed}
          </Button>
        </>
      }
    >
      <form id={form} className="field" onSubmit={submit}>
        <label htmlFor={`${form}-name`}>{label}</label>
        <input
          id={`${form}-name`}
          className="input"
          autoFocus
          maxLength={200}
          autoComplete="off"
          value={typed}
          onFocus={(event) => event.target.select()}
          onChange={(event) => setTyped(event.target.value)}
        />
      </form>
    </Dialog>
  );
}
