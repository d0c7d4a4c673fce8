// A check box with its words, and a hint below where one helps.
import { type ReactNode, useId } from "react";

export interface CheckBoxProps {
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => void;
  readonly hint?: string;
  readonly children: ReactNode;
}

export function CheckBox({ isOn, onChange, hint, children }: CheckBoxProps) {
  const id = useId();
  return (
    <div className="lib-check">
      <input
        type="checkbox"
        id={id}
        checked={isOn}
        {...(hint === undefined ? {} : { "aria-describedby": `${id}-hint` })}
        onChange={(event) => onChange(event.target.checked)}
      />
      <label htmlFor={id}>{children}</label>
      {hint === undefined ? null : (
        <p id={`${id}-hint`} className="lib-check-hint">
          {hint}
        </p>
      )}
    </div>
  );
}
