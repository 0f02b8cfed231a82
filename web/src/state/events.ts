/** What happened in the run in focus: attempts, spikes, NaN, stalls and its end. */

import { computed, effect, signal } from "@preact/signals";
import { eventsOf } from "../api/client";
import type { RunEvent } from "../api/types";
import { beginOf, showMoment } from "./log";
import { axis, drawerShown, drawerTab, focused, lastChange, moveCursor, report, shownRuns } from "./page";

/** Events are looked for in all points: not with each new one. */
const REST_MS = 10_000;

/** The events of a run; null before they are known. */
export const events = signal<{ uid: string; list: RunEvent[] | null } | null>(null);

/** Where the run in focus began again, on the x axis. */
export const attempts = computed<number[]>(() => {
  const known = events.value;
  return (known?.list ?? []).filter((event) => event.kind === "attempt").flatMap((event) => placeOf(known!.uid, event) ?? []);
});

/** Where an event stands on the x axis; null where that is not known. */
export function placeOf(uid: string, event: RunEvent): number | null {
  if (axis.value === "step") return event.iteration;
  if (axis.value === "time") return event.time;
  const begin = beginOf(uid);
  return begin === null ? null : (event.time - begin) / 1000;
}

/** Put the cursor of all panels on an event, and the log on its line. */
export function showEvent(uid: string, event: RunEvent): void {
  const x = placeOf(uid, event);
  if (x === null) return;
  moveCursor(x);
  drawerTab.value = "log";
  void showMoment(x);
}

let askedAt = 0;
let wanted: string | null = null;

async function load(uid: string): Promise<void> {
  askedAt = Date.now();
  wanted = uid;
  try {
    const list = await eventsOf(uid);
    if (wanted === uid) events.value = { uid, list };
  } catch (error) {
    report(error);
  }
}

/** Keep the events in step with the run in focus. Without a drawer nobody sees them. */
export function startEvents(): void {
  effect(() => {
    const uid = drawerShown.value ? (focused.value ?? shownRuns.value[0]?.uid ?? null) : null;
    if (uid === (events.peek()?.uid ?? null)) return;
    events.value = uid === null ? null : { uid, list: null };
    if (uid !== null) void load(uid);
  });
  effect(() => {
    const uid = events.peek()?.uid;
    if (uid && lastChange.value?.runs.includes(uid) && Date.now() - askedAt > REST_MS) void load(uid);
  });
}

