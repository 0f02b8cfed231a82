/** The settings of the shown runs side by side, the run in focus first; what differs comes first. */

import { useSignal } from "@preact/signals";
import type { Fact, Run } from "../api/types";
import { focused, shownRuns } from "../state/page";
import { messages } from "../ui/messages";

const MOST_RUNS = 6;

export function Config() {
  const onlyDifferent = useSignal(false);
  const text = messages();
  const first = shownRuns.value.find((run) => run.uid === focused.value);
  const runs = [...(first ? [first] : []), ...shownRuns.value.filter((run) => run !== first)].slice(0, MOST_RUNS);
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.config)))].sort();
  if (names.length === 0) return <p class="empty">{text.noConfig}</p>;
  const shown = names.filter((name) => !onlyDifferent.value || differs(name, runs));
  return (
    <div class="config" tabIndex={0} role="region" aria-label={text.tabs.config}>
      {runs.length > 1 && (
        <label>
          <input
            type="checkbox"
            checked={onlyDifferent.value}
            onChange={(event) => (onlyDifferent.value = event.currentTarget.checked)}
          />{" "}
          {text.onlyDifferent}
        </label>
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">{text.setting}</th>
            {runs.map((run) => (
              <th key={run.uid} scope="col">
                {run.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((name) => (
            <tr key={name} class={runs.length > 1 && differs(name, runs) ? "differs" : ""}>
              <th scope="row">{name}</th>
              {runs.map((run) => (
                <td key={run.uid}>{value(run.config[name])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const differs = (name: string, runs: readonly Run[]): boolean => new Set(runs.map((run) => run.config[name])).size > 1;

const value = (fact: Fact | undefined): string => (fact === undefined ? "" : fact === null ? "–" : String(fact));
