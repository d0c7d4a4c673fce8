// Fields of the details: they keep what is typed until one leaves them or presses Enter, and tell it then, once.
import { type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../style/index.ts";
import { dateFrom, daysIn, monthNames, typedDate } from "./dates.ts";

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly longest: number;
  readonly isLong?: boolean;
  readonly placeholder?: string;
  readonly onChange: (value: string) => void;
}

export function TextField({ label, value, longest, isLong = false, placeholder, onChange }: TextFieldProps) {
  const id = useId();
  const [typed, setTyped] = useState<string>();
  const shared = {
    id,
    className: "input",
    dir: "auto" as const,
    maxLength: longest,
    placeholder,
    value: typed ?? value,
    onBlur: () => {
      if (typed !== undefined && typed.trim() !== value) onChange(typed.trim());
      setTyped(undefined);
    },
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {isLong ? (
        <textarea {...shared} rows={3} onChange={(event) => setTyped(event.target.value)} />
      ) : (
        <input
          {...shared}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.currentTarget.blur();
            if (event.key === "Escape") {
              event.preventDefault();
              setTyped(undefined);
            }
          }}
        />
      )}
    </div>
  );
}

export interface DateFieldProps {
  readonly label: string;
  /** 1936, 1936-02 or 1936-02-11. */
  readonly value: string | undefined;
  readonly onChange: (date: string | null) => void;
}

/** Year, month and day; what is not known stays empty. */
export function DateField({ label, value, onChange }: DateFieldProps) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState(() => typedDate(value));
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    setTyped(typedDate(value));
  }
  const date = dateFrom(typed);
  const days = typed.month === "" ? 0 : daysIn(Number(typed.year) || 2000, Number(typed.month));
  const change = (next: typeof typed) => {
    const tidy = next.month === "" ? { ...next, day: "" } : next;
    setTyped(tidy);
    return tidy;
  };
  const commit = (next: typeof typed) => {
    const whole = dateFrom(next);
    if (whole !== undefined && whole !== (value ?? null)) onChange(whole);
  };
  return (
    <fieldset className="field lib-date">
      <legend className="label">{label}</legend>
      <div className="lib-date-parts">
        <input
          className="input"
          inputMode="numeric"
          maxLength={4}
          aria-label={t("library.year")}
          placeholder={t("library.year")}
          aria-invalid={date === undefined}
          {...(date === undefined ? { "aria-describedby": `${id}-why` } : {})}
          value={typed.year}
          onChange={(event) => change({ ...typed, year: event.target.value.replace(/\D/g, "") })}
          onBlur={() => commit(typed)}
          onKeyDown={(event) => (event.key === "Enter" ? commit(typed) : undefined)}
        />
        <select
          className="input"
          aria-label={t("library.month")}
          value={typed.month}
          onChange={(event) => commit(change({ ...typed, month: event.target.value }))}
        >
          <option value="">{t("library.monthUnknown")}</option>
          {monthNames(i18n.language).map((name, at) => (
            <option key={name} value={at + 1}>
              {name}
            </option>
          ))}
        </select>
        <select
          className="input"
          aria-label={t("library.day")}
          disabled={typed.month === ""}
          value={typed.day}
          onChange={(event) => commit(change({ ...typed, day: event.target.value }))}
        >
          <option value="">{t("library.dayUnknown")}</option>
          {Array.from({ length: days }, (_, at) => (
            <option key={at} value={at + 1}>
              {at + 1}
            </option>
          ))}
        </select>
      </div>
      {date === undefined ? (
        <p id={`${id}-why`} className="lib-problem">
          {t("library.noDate")}
        </p>
      ) : null}
    </fieldset>
  );
}

export interface TagsFieldProps {
  readonly label: string;
  readonly values: readonly string[];
  readonly hint: string;
  readonly onChange: (values: string[]) => void;
}

/** Several short texts: Enter or a comma adds one. */
export function TagsField({ label, values, hint, onChange }: TagsFieldProps) {
  const { t } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState("");
  const add = () => {
    const more = typed
      .split(/[,，;；\n]/)
      .map((one) => one.trim().slice(0, 200))
      .filter((one) => one !== "" && !values.includes(one));
    setTyped("");
    if (more.length > 0) onChange([...values, ...new Set(more)]);
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {values.length === 0 ? null : (
        <ul className="lib-tags" aria-label={label}>
          {values.map((value) => (
            <li key={value} className="tag">
              <bdi>{value}</bdi>
              <button
                type="button"
                className="lib-tag-close"
                aria-label={t("library.takeOut", { name: value })}
                onClick={() => onChange(values.filter((one) => one !== value))}
              >
                <Icon name="close" size={12} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        id={id}
        className="input"
        dir="auto"
        autoComplete="off"
        placeholder={hint}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={add}
        onKeyDown={(event) => {
          if (event.key === "Enter" || event.key === ",") {
            event.preventDefault();
            add();
          } else if (event.key === "Backspace" && typed === "" && values.length > 0) {
            event.preventDefault();
            onChange(values.slice(0, -1));
          }
        }}
      />
    </div>
  );
}

export interface StarsFieldProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
}

/** Five stars; the one that is set takes them away. */
export function StarsField({ label, value, onChange }: StarsFieldProps) {
  const { t } = useTranslation();
  return (
    <fieldset className="field lib-stars">
      <legend className="label">{label}</legend>
      <div>
        {[1, 2, 3, 4, 5].map((star) => (
          <button
            key={star}
            type="button"
            className="lib-star"
            aria-label={t("library.stars", { count: star })}
            aria-pressed={star <= value}
            onClick={() => onChange(star === value ? 0 : star)}
          >
            <Icon name="star" />
          </button>
        ))}
      </div>
    </fieldset>
  );
}

/** A fact: what it is called and what it is. */
export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
