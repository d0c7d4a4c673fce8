// The command palette: everything that can be done now, found by typing. Must never: list what the registry does not have.
import { Command } from "cmdk";
import { Dialog } from "radix-ui";
import { useTranslation } from "react-i18next";
import { useAllActions } from "./registry.ts";
import "./palette.css";

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const actions = useAllActions().filter(
    ({ isHidden, isPossible }) => isHidden !== true && isPossible?.() !== false,
  );
  return (
    <Dialog.Root open onOpenChange={(open) => (open ? undefined : onClose())}>
      <Dialog.Portal>
        <Dialog.Overlay className="dialog-shade" />
        <Dialog.Content className="palette" aria-describedby={undefined}>
          <Dialog.Title className="visually-hidden">{t("actions.palette")}</Dialog.Title>
          <Command label={t("actions.palette")} loop>
            <Command.Input autoFocus className="input" placeholder={t("actions.paletteHint")} />
            <Command.List label={t("actions.palette")}>
              <Command.Empty className="palette-empty">{t("actions.paletteEmpty")}</Command.Empty>
              {actions.map(({ id, keys, run }) => (
                <Command.Item
                  key={id}
                  value={`${t(`actions.${id}`)} ${id}`}
                  className="menu-item"
                  onSelect={() => {
                    onClose();
                    void run();
                  }}
                >
                  <span>{t(`actions.${id}`)}</span>
                  {keys?.[0] === undefined ? null : <kbd>{keys[0]}</kbd>}
                </Command.Item>
              ))}
            </Command.List>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
