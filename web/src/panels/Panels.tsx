/** All panels, grouped by the prefix of their metric (`train/loss` stands under `train`). */

import { useSignal } from "@preact/signals";
import { metrics, pinned } from "../state/page";
import { messages } from "../ui/messages";
import { PanelView } from "./PanelView";

const MOST_AT_FIRST = 200;

function groups(names: readonly string[]): [string, string[]][] {
  const result = new Map<string, string[]>();
  for (const name of names) {
    const slash = name.indexOf("/");
    const group = pinned.value.includes(name) ? messages().pinned : slash > 0 ? name.slice(0, slash) : "";
    result.set(group, [...(result.get(group) ?? []), name]);
  }
  return [...result];
}

export function Panels() {
  const folded = useSignal<ReadonlySet<string>>(new Set());
  const limit = useSignal(MOST_AT_FIRST);
  const names = metrics.value.slice(0, limit.value);
  const left = metrics.value.length - names.length;
  const toggle = (group: string): void => {
    const next = new Set(folded.value);
    if (!next.delete(group)) next.add(group);
    folded.value = next;
  };
  const all = groups(names);
  return (
    <main class="panels">
      {all.map(([group, members]) => (
        <section key={group}>
          {group && (
            <h2>
              <button class="plain" aria-expanded={!folded.value.has(group)} onClick={() => toggle(group)}>
                {folded.value.has(group) ? "▸" : "▾"} {group} <small>{members.length}</small>
              </button>
            </h2>
          )}
          {!folded.value.has(group) && (
            <div class="grid">
              {members.map((metric) => (
                <PanelView key={metric} metric={metric} />
              ))}
            </div>
          )}
        </section>
      ))}
      {left > 0 && (
        <button onClick={() => (limit.value += MOST_AT_FIRST)}>
          +{left}
        </button>
      )}
    </main>
  );
}
