/** One line of state, only when there is one: what is wrong, and the next step. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { lostAt } from "../api/live";
import type { Run } from "../api/types";
import { failure, focused, loaded, metrics, panelData, range, replaced, runs, shownRuns, useToken } from "../state/page";
import { age } from "./age";
import { messages } from "./messages";

const NEEDS_TOKEN = 401;
/** Shorter gaps are reconnects that nobody needs to hear of. */
const QUIET_MS = 2000;

export function State() {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = lostAt.value === null ? 0 : setInterval(() => (now.value = Date.now()), 1000);
    return () => clearInterval(timer);
  }, [lostAt.value]);
  if (failure.value?.status === NEEDS_TOKEN) return <Token />;
  const text = sentence(now.value);
  return text ? (
    <p class="state" role="status">
      {text}
      {replaced.value && (
        <button class="plain" aria-label={messages().close} onClick={() => (replaced.value = false)}>
          ×
        </button>
      )}
    </p>
  ) : null;
}

function sentence(now: number): string | null {
  const text = messages();
  if (lostAt.value !== null && now - lostAt.value > QUIET_MS) {
    return text.gone(Math.round((now - lostAt.value) / 1000));
  }
  if (failure.value) return text.failed(failure.value.message);
  if (!loaded.value) return text.loading;
  if (runs.value.length === 0) return text.nothingFound;
  if (shownRuns.value.length === 0) return text.noneShown;
  if (metrics.value.length === 0 && shownRuns.value[0]!.warnings[0]) return text.warned(shownRuns.value[0]!.warnings[0]);
  if (metrics.value.length === 0) return text.noCurves(shownRuns.value[0]!.name);
  if (replaced.value) return text.replaced;
  if (range.value && panelData.value.size > 0 && [...panelData.value.values()].every((panel) => panel.series.length === 0)) {
    return text.emptyRange;
  }
  const run = shownRuns.value.find((one) => one.uid === focused.value) ?? onlyOne(shownRuns.value);
  return run && stoppedEarly(run) ? text.stale(run.name, age(run.updated_at!), run.step!, run.target!) : null;
}

const onlyOne = (all: Run[]): Run | undefined => (all.length === 1 ? all[0] : undefined);

const STOPPED = new Set(["finished", "ended", "crashed", "interrupted"]);

/** A run that writes no more although its own last step is not reached: it ended early, or hangs. */
const stoppedEarly = (run: Run): boolean =>
  STOPPED.has(run.status) && run.updated_at !== null && run.step !== null && run.step < (run.target ?? 0);

function Token() {
  const text = messages();
  return (
    <form
      class="state"
      onSubmit={(event) => {
        event.preventDefault();
        useToken(String(new FormData(event.currentTarget).get("token") ?? ""));
      }}
    >
      <label>
        {text.tokenNeeded} <input name="token" type="password" autocomplete="current-password" autofocus />
      </label>
      <button>{text.tokenOpen}</button>
    </form>
  );
}
