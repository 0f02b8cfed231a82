/** What can be done with a panel: buttons in its title that show under the pointer or with the focus. */

import type { Panel } from "../api/types";
import { axis, pinned, tabled, toggle, wide } from "../state/page";
import { messages } from "../ui/messages";
import { csv, download } from "./csv";

export function PanelMenu({ metric, data }: { metric: string; data: Panel | null }) {
  const text = messages();
  const isPinned = pinned.value.includes(metric);
  const isWide = wide.value === metric;
  return (
    <span class="menu">
      <Item label={text.pin} sign={isPinned ? "★" : "☆"} pressed={isPinned} act={() => toggle(pinned, metric)} />
      <Item
        label={text.table}
        sign="▤"
        pressed={tabled.value.includes(metric)}
        act={() => toggle(tabled, metric)}
      />
      <Item label={text.csv} sign="↓" act={() => data && download(`${metric}.csv`, csv(data, axis.value))} />
      <Item label={text.fullWidth} sign="⤢" pressed={isWide} act={() => (wide.value = isWide ? null : metric)} />
    </span>
  );
}

function Item(props: { label: string; sign: string; pressed?: boolean; act: () => void }) {
  return (
    <button class="plain" aria-label={props.label} title={props.label} aria-pressed={props.pressed} onClick={props.act}>
      {props.sign}
    </button>
  );
}
