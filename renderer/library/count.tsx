// A number of photos, as the language writes it.
import { useTranslation } from "react-i18next";

export function Count({ of }: { readonly of: number }) {
  const { i18n } = useTranslation();
  return <span className="lib-count">{of.toLocaleString(i18n.language)}</span>;
}
