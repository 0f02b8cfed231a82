/** Keys, as the help lists them. Everything they do is a button, too. */

import { drawerOpen, drawerShown, focused, folded, listedRuns, logScale, shownRuns, toggleRun, zoomOut } from "../state/page";
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
    after = event.key === "g" ? "g" : "";
    if (before === "g" && event.key in AXIS_KEYS) {
      changeAxis(AXIS_KEYS[event.key as keyof typeof AXIS_KEYS]);
      return;
    }
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function current(): string | undefined {
  return focused.value ?? shownRuns.value[0]?.uid;
}

function move(by: number): void {
  const all = listedRuns.value;
  const at = all.findIndex((run) => run.uid === current());
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  if (next) focused.value = next.uid;
}

const ACTIONS: Record<string, () => void> = {
  "/": () => document.getElementById("search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => toggle(false),
  o: () => toggle(true),
  y: () => (logScale.value = !logScale.value),
  l: () => (drawerOpen.value = !drawerShown.value),
  "[": () => (folded.value = !folded.value),
  "0": () => zoomOut(),
};

function toggle(only: boolean): void {
  const uid = current();
  if (uid) toggleRun(uid, only);
}
