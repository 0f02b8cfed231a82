/** The drawer of the run in focus: its log, what happened in it, its inputs and settings. */

import { drawerOpen, drawerTab, focused, shownRuns } from "../state/page";
import { messages } from "../ui/messages";
import { Config } from "./Config";
import { Events } from "./Events";
import { Inputs } from "./Inputs";
import { LogTools, LogView } from "./LogView";

const TABS = ["log", "events", "inputs", "config"] as const;
const BODIES = { log: LogView, events: Events, inputs: Inputs, config: Config };

export function Drawer() {
  const text = messages();
  const run = shownRuns.value.find((one) => one.uid === focused.value) ?? shownRuns.value[0];
  const tab = drawerTab.value;
  const Body = BODIES[tab];
  const move = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    drawerTab.value = TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length]!;
    document.getElementById(`tab-${drawerTab.value}`)?.focus();
  };
  return (
    <aside class="drawer" aria-label={text.details}>
      <header>
        <div class="tabs" role="tablist" onKeyDown={move}>
          {TABS.map((name) => (
            <button
              key={name}
              id={`tab-${name}`}
              class="plain"
              role="tab"
              aria-selected={tab === name}
              aria-controls="tab-body"
              tabIndex={tab === name ? 0 : -1}
              onClick={() => (drawerTab.value = name)}
            >
              {text.tabs[name]}
            </button>
          ))}
        </div>
        <b class="of">{focused.value ?? run?.uid}</b>
        {tab === "log" && <LogTools />}
        <button class="plain close" aria-label={text.close} onClick={() => (drawerOpen.value = false)}>
          ×
        </button>
      </header>
      <div id="tab-body" class="body" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <Body />
      </div>
    </aside>
  );
}
