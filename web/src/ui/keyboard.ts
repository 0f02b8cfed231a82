/** Keys, as the help lists them. Everything they do is a button, too. */

import { toMark } from "../panels/marks";
import { following, toHit } from "../state/log";
import { pin } from "../state/moment";
import { rows } from "../state/table";
import {
  currentPanel,
  drawerOpen,
  drawerShown,
  focused,
  folded,
  helpOpen,
  jump,
  logScale,
  pinned,
  shownRuns,
  tabled,
  toggle,
  toggleRun,
  wide,
  zoomOut,
} from "../state/page";
import { changeAxis } from "./Top";

let after = "";

const AXIS_KEYS = { s: "step", t: "time", r: "relative" } as const;

export function listen(): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("input, textarea, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const before = after;
    after = event.key;
    if (before === "g" && event.key in AXIS_KEYS) {
      changeAxis(AXIS_KEYS[event.key as keyof typeof AXIS_KEYS]);
      return;
    }
    const action = ACTIONS[event.key];
    if (!action || (event.key === "Enter" && target.matches("button, a, summary"))) return;
    event.preventDefault();
    action(before);
  });
}

function current(): string | undefined {
  return focused.value ?? shownRuns.value[0]?.uid;
}

function move(by: number): void {
  const all = rows.value.flatMap((row) => ("run" in row ? [row.run] : []));
  const at = all.findIndex((run) => run.uid === current());
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  if (next) focused.value = next.uid;
}

const ACTIONS: Record<string, (before: string) => void> = {
  "/": () => document.getElementById("search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => show(false),
  o: () => show(true),
  y: () => (logScale.value = !logScale.value),
  l: () => (drawerOpen.value = !drawerShown.value),
  n: () => toHit(1),
  N: () => toHit(-1),
  F: () => (following.value = !following.value),
  "[": () => (folded.value = !folded.value),
  "0": (before) => zoomOut(before === "0"),
  p: () => withPanel((metric) => toggle(pinned, metric)),
  t: () => withPanel((metric) => toggle(tabled, metric)),
  f: () => withPanel((metric) => (wide.value = wide.value === metric ? null : metric)),
  "?": () => (helpOpen.value = !helpOpen.value),
  Escape: () => (helpOpen.value = false),
  Enter: () => withPanel((metric) => jump.value !== null && void pin(metric, { x: jump.value, run: current() ?? null, value: null })),
  ".": () => toMark(currentPanel(), 1),
  ",": () => toMark(currentPanel(), -1),
};

function withPanel(act: (metric: string) => void): void {
  const metric = currentPanel();
  if (metric !== undefined) act(metric);
}

function show(only: boolean): void {
  const uid = current();
  if (uid) toggleRun(uid, only);
}
