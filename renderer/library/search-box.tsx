// Search as one types, with filters as words and suggestions for them. Must never: take the focus by itself.
import type { TFunction } from "i18next";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Icon } from "../style/index.ts";
import { completed, type Suggestion, suggestionsFor } from "./asking.ts";

const WAIT_MS = 120;

export interface SearchBoxProps {
  readonly text: string;
  /** Names, for album: */
  readonly albums: readonly string[];
  readonly onChange: (text: string) => void;
}

export function SearchBox({ text, albums, onChange }: SearchBoxProps) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const [typed, setTyped] = useState(text);
  const [caret, setCaret] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  // What is shown may change from elsewhere: a decade of the sidebar, the way back.
  const told = useRef(text);
  useEffect(() => {
    if (text === told.current.trim()) return;
    told.current = text;
    setTyped(text);
  }, [text]);
  useEffect(() => {
    if (typed === told.current) return;
    const timer = setTimeout(() => {
      told.current = typed;
      onChange(typed.trim());
    }, WAIT_MS);
    return () => clearTimeout(timer);
  }, [typed, onChange]);

  const suggestions = isOpen ? suggestionsFor(typed, caret, albums) : [];
  const isShown = suggestions.length > 0;

  function change(next: string, at: number): void {
    setTyped(next);
    setCaret(at);
    setActive(-1);
    setOpen(true);
  }
  function take(suggestion: Suggestion): void {
    const after = completed(typed, caret, suggestion);
    change(after.text, after.caret);
    input.current?.focus();
    requestAnimationFrame(() => input.current?.setSelectionRange(after.caret, after.caret));
  }
  function onKeyDown(event: KeyboardEvent): void {
    const taken = suggestions[active];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (isShown) setActive((active + step + suggestions.length) % suggestions.length);
      else setOpen(true);
    } else if ((event.key === "Enter" || event.key === "Tab") && isShown && taken !== undefined) {
      event.preventDefault();
      take(taken);
    } else if (event.key === "Enter") {
      told.current = typed;
      onChange(typed.trim());
      setOpen(false);
      document.getElementById("library-grid")?.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (isShown) setOpen(false);
      else if (typed !== "") change("", 0);
      else input.current?.blur();
    }
  }

  return (
    <search className="lib-search">
      <Icon name="search" />
      <input
        ref={input}
        id="library-search"
        className="input"
        role="combobox"
        aria-label={t("library.search")}
        aria-expanded={isShown}
        aria-controls={list}
        aria-autocomplete="list"
        {...(active >= 0 && isShown ? { "aria-activedescendant": `${list}-${active}` } : {})}
        placeholder={t("library.searchHint")}
        maxLength={500}
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => change(event.target.value, event.target.selectionStart ?? 0)}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      {typed === "" ? null : (
        <Button
          kind="quiet"
          icon="close"
          aria-label={t("library.clearSearch")}
          onClick={() => {
            change("", 0);
            setOpen(false);
          }}
        />
      )}
      <div
        id={list}
        role="listbox"
        aria-label={t("library.suggestions")}
        className="menu lib-suggestions"
        hidden={!isShown}
      >
        {suggestions.map((one, at) => (
          <div
            key={one.insert}
            id={`${list}-${at}`}
            role="option"
            aria-selected={at === active}
            tabIndex={-1}
            className="menu-item"
            {...(at === active ? { "data-highlighted": "" } : {})}
            onPointerMove={() => setActive(at)}
            onMouseDown={(event) => {
              event.preventDefault(); // the focus stays in the box
              take(one);
            }}
          >
            <span>{one.value === undefined ? t(`library.filters.${one.filter}`) : wordsOfValue(one, t)}</span>
            <code>{one.insert}</code>
          </div>
        ))}
      </div>
    </search>
  );
}

/** Values that are words of ours are said in the window's language; years and names are as they are. */
function wordsOfValue({ filter, value = "" }: Suggestion, t: TFunction): string {
  return t(`library.filterValues.${filter}.${value}`, { defaultValue: value });
}
