// The few parts that all rooms share, on radix: their look is base.css. Must never: know what they are used for.
import { Dialog as RadixDialog, Slider as RadixSlider, Tooltip as RadixTooltip } from "radix-ui";
import { type ComponentProps, type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { useAllActions } from "../actions/registry.ts";
import { Icon, type IconName } from "./icons.tsx";

export interface ButtonProps extends Omit<ComponentProps<"button">, "children"> {
  readonly kind?: "plain" | "primary" | "quiet" | "danger";
  readonly icon?: IconName;
  readonly children?: ReactNode;
}

export function Button({ kind = "plain", icon, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className="button"
      data-kind={kind}
      {...(children === undefined ? { "data-icon": "" } : {})}
      {...rest}
    >
      {icon === undefined ? null : <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button for an action of the registry: named, with its keys told, off while it is not possible. */
export function ActionButton({
  action: id,
  label,
  isQuiet = true,
  isIconOnly = false,
  ...rest
}: Omit<ButtonProps, "onClick" | "kind"> & {
  readonly action: string;
  readonly label?: string;
  readonly isQuiet?: boolean;
  readonly isIconOnly?: boolean;
}) {
  const { t } = useTranslation();
  const action = useAllActions().find((one) => one.id === id);
  const name = label ?? t(`actions.${id}`);
  const [key] = action?.keys ?? [];
  return (
    <Tip text={key === undefined ? name : `${name} (${key})`}>
      <Button
        kind={isQuiet ? "quiet" : "plain"}
        aria-label={name}
        {...(key === undefined ? {} : { "aria-keyshortcuts": key.replaceAll("Ctrl", "Control") })}
        disabled={action === undefined || action.isPossible?.() === false}
        onClick={() => void action?.run()}
        {...rest}
      >
        {isIconOnly ? undefined : name}
      </Button>
    </Tip>
  );
}

export function Tip({ text, children }: { readonly text: string; readonly children: ReactNode }) {
  return (
    <RadixTooltip.Root>
      <RadixTooltip.Trigger asChild>{children}</RadixTooltip.Trigger>
      <RadixTooltip.Portal>
        <RadixTooltip.Content className="menu tip" sideOffset={6}>
          {text}
        </RadixTooltip.Content>
      </RadixTooltip.Portal>
    </RadixTooltip.Root>
  );
}

export interface DialogProps {
  readonly title: string;
  readonly about?: string;
  readonly isWide?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** Buttons at its foot; the one that does it last. */
  readonly foot?: ReactNode;
}

/** Shown while it is mounted. */
export function Dialog({ title, about, isWide = false, onClose, children, foot }: DialogProps) {
  return (
    <RadixDialog.Root open onOpenChange={(open) => (open ? undefined : onClose())}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="dialog-shade" />
        <RadixDialog.Content
          className="dialog"
          {...(isWide ? { "data-size": "wide" } : {})}
          {...(about === undefined ? { "aria-describedby": undefined } : {})}
        >
          <RadixDialog.Title asChild>
            <h1>{title}</h1>
          </RadixDialog.Title>
          {about === undefined ? null : <RadixDialog.Description>{about}</RadixDialog.Description>}
          {children}
          {foot === undefined ? null : <div className="foot">{foot}</div>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

export interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onChange: (value: number) => void;
  /** When it was let go. */
  readonly onCommit?: (value: number) => void;
  readonly isDisabled?: boolean;
}

export function Slider({
  label,
  value,
  min,
  max,
  step,
  onChange,
  onCommit,
  isDisabled = false,
}: SliderProps) {
  const id = useId();
  const digits = step < 1 ? 2 : 0;
  return (
    <div className="field slider-field">
      <div className="slider-head">
        <span className="label" id={id}>
          {label}
        </span>
        <output>{value.toFixed(digits)}</output>
      </div>
      <RadixSlider.Root
        className="slider"
        value={[value]}
        min={min}
        max={max}
        step={step}
        disabled={isDisabled}
        onValueChange={([next]) => next !== undefined && onChange(next)}
        onValueCommit={([next]) => next !== undefined && onCommit?.(next)}
      >
        <RadixSlider.Track className="slider-track">
          <RadixSlider.Range className="slider-range" />
        </RadixSlider.Track>
        <RadixSlider.Thumb className="slider-thumb" aria-labelledby={id} />
      </RadixSlider.Root>
    </div>
  );
}

export function Progress({ share, label }: { readonly share: number; readonly label: string }) {
  const percent = Math.round(Math.max(0, Math.min(1, share)) * 100);
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}

/** What to show where there is nothing: what this place is for, and what to do. */
export function Empty({
  icon,
  title,
  children,
}: {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className="empty">
      <Icon name={icon} size={40} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}
