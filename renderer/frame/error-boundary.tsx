// A room that fails does not take the window with it: what happened is told, and there is a way on.

import i18next from "i18next";
import { Component, type ReactNode } from "react";
import { Button, Empty } from "../style/index.ts";

export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: undefined };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return (
      <Empty icon="warning" title={i18next.t("frame.roomFailed")}>
        <p>{i18next.t("frame.roomFailedNext")}</p>
        <div>
          <Button kind="primary" onClick={() => this.setState({ error: undefined })}>
            {i18next.t("frame.tryAgain")}
          </Button>{" "}
          <Button onClick={() => void navigator.clipboard.writeText(detail)}>
            {i18next.t("frame.copyDetail")}
          </Button>
        </div>
      </Empty>
    );
  }
}
