/** Everything the page knows, as signals. Views read them; only this module and `url` decide what follows. */

import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { MOST_ROWS, panels as askPanels, RequestError, runTable, setToken } from "../api/client";
import { follow } from "../api/live";
import type { Axis, Change, Panel, Run } from "../api/types";

/** Runs that are drawn before anybody chose: those that train now, else the newest of them. */
const SHOWN_AT_FIRST = 10;
/** Metrics asked for together: enough for a screen, few enough to come at once. */
const METRICS_PER_REQUEST = 8;
const BINS = 300;
/** Statuses from this one on (429, 5xx) may pass; panels are then asked for again after so long. */
const BUSY = 429;
const RETRY_MS = 2000;

export type Tab = "log" | "events" | "inputs" | "config";
export type Failure = { status: number; message: string } | null;

export const runs = signal<Run[]>([]);
export const loaded = signal(false);
export const failure = signal<Failure>(null);
export const version = signal(0);

/** Chosen by the user. `chosenRuns` null: nobody chose yet. */
export const chosenRuns = signal<string[] | null>(null);
export const search = signal("");
export const axis = signal<Axis>("step");
export const logScale = signal(false);
export const smoothing = signal(0);
export const range = signal<[number, number] | null>(null);
export const wide = signal<string | null>(null);
/** Metrics whose panels come first, and those that are shown as tables too. */
export const pinned = signal<string[]>([]);
export const tabled = signal<string[]>([]);
export const focused = signal<string | null>(null);
export const drawerOpen = signal<boolean | null>(null);
export const drawerTab = signal<Tab>("log");
export const folded = signal(false);
export const helpOpen = signal(false);

/** The cursor, in units of the x axis; null while it is outside all panels. */
export const cursor = signal<number | null>(null);
export const panelData = signal<ReadonlyMap<string, Panel>>(new Map());
/** Where a key has put the cursor. The pointer moves it in all panels by itself. */
export const jump = signal<number | null>(null);

export function moveCursor(x: number): void {
  batch(() => {
    cursor.value = x;
    jump.value = x;
  });
}

/** The panel that keys act on: the one under the pointer or with the focus, else the first. */
export const hovered = signal<string | null>(null);
export const currentPanel = (): string | undefined => hovered.value ?? wide.value ?? metrics.value[0];

export function toggle(list: Signal<string[]>, name: string): void {
  const others = list.value.filter((other) => other !== name);
  list.value = others.length < list.value.length ? others : [...others, name];
}

export const shownRuns = computed<Run[]>(() => {
  const chosen = chosenRuns.value;
  if (chosen) return runs.value.filter((run) => chosen.includes(run.uid));
  const withCurves = runs.value.filter((run) => run.metrics.length > 0);
  const live = withCurves.filter((run) => run.status === "running");
  return (live.length > 0 ? live : withCurves).slice(0, SHOWN_AT_FIRST);
});

/** A phone has room for curves alone. */
export const ROOMY = matchMedia("(min-width: 900px)");

/** The drawer is open at first when a run lives or has failed: then its log is what one wants to see next. */
export const drawerShown = computed<boolean>(
  () =>
    drawerOpen.value ??
    (ROOMY.matches && shownRuns.value.some((run) => run.status === "running" || run.status === "failed")),
);

export const pattern = computed<RegExp | null>(() => {
  if (search.value === "") return null;
  try {
    return new RegExp(search.value, "i");
  } catch {
    return new RegExp(search.value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  }
});

/** Runs of the list: those that match the search; all of them where it only matches metrics. */
export const listedRuns = computed<Run[]>(() => {
  const match = pattern.value;
  if (!match) return runs.value;
  const found = runs.value.filter((run) => match.test(run.uid) || match.test(run.name));
  return found.length > 0 ? found : runs.value;
});

/** Metrics of the shown runs: pinned ones first, then main metrics, then by name. */
export const metrics = computed<string[]>(() => {
  const names = new Set<string>();
  const main = new Set<string>();
  for (const run of shownRuns.value) {
    for (const metric of run.metrics) names.add(metric);
    if (run.metric) main.add(run.metric);
  }
  const match = pattern.value;
  const rank = (name: string): number => (pinned.value.includes(name) ? 2 : main.has(name) ? 1 : 0);
  const sorted = [...names].sort((a, b) => rank(b) - rank(a) || a.localeCompare(b));
  const found = match ? sorted.filter((name) => match.test(name)) : sorted;
  return found.length > 0 ? found : sorted;
});

/** Panels on or near the screen, kept by the panels themselves. */
export const visible = signal<ReadonlySet<string>>(new Set());

export function setVisible(metric: string, seen: boolean): void {
  if (visible.value.has(metric) === seen) return;
  const next = new Set(visible.value);
  if (seen) next.add(metric);
  else next.delete(metric);
  visible.value = next;
}

export function toggleRun(uid: string, only = false): void {
  const current = shownRuns.value.map((run) => run.uid);
  if (only) chosenRuns.value = [uid];
  else if (current.includes(uid)) chosenRuns.value = current.filter((other) => other !== uid);
  else chosenRuns.value = [...current, uid];
}

const zoomBefore: ([number, number] | null)[] = [];

/** One level in. `level` false: the same level goes on, as while a wheel turns. */
export function zoom(to: [number, number], level = true): void {
  if (level || range.value === null) zoomBefore.push(range.value);
  range.value = to;
}

/** One level out; all of it when `whole`. */
export function zoomOut(whole = false): void {
  const before = whole ? null : (zoomBefore.pop() ?? null);
  if (whole) zoomBefore.length = 0;
  range.value = before;
}

/** What the daemon said last of runs that have changed. */
export const lastChange = signal<Change | null>(null);

/** Rows asked for before the others, to be seen at once. */
const FIRST_ROWS = 200;
/** With more changed runs than these the whole list is asked for. */
const MOST_CHANGED = 50;

let isLoadingRuns = false;
/** Runs to ask for once the running request has its answer; null: all of them. */
let wanted: Set<string> | null = new Set();

/** Read the list of runs, or only those that have changed. One request at a time: the newest answer comes last. */
export async function loadRuns(changed: readonly string[] | null = null): Promise<void> {
  if (changed === null || changed.length > MOST_CHANGED || !loaded.peek()) wanted = null;
  else for (const uid of changed) wanted?.add(uid);
  if (isLoadingRuns) return;
  isLoadingRuns = true;
  try {
    while (wanted === null || wanted.size > 0) {
      const asked = wanted;
      wanted = new Set();
      try {
        await (asked === null ? loadAll() : loadSome([...asked]));
      } catch (error) {
        wanted = null; // asked again with the next change
        report(error);
        return;
      }
    }
  } finally {
    isLoadingRuns = false;
  }
}

async function loadAll(): Promise<void> {
  let table = await runTable(null, loaded.peek() ? MOST_ROWS : FIRST_ROWS);
  take(table.runs, table.version);
  if (table.total <= table.runs.length || table.runs.length >= MOST_ROWS) return;
  table = await runTable(null, MOST_ROWS);
  take(table.runs, table.version);
}

async function loadSome(uids: string[]): Promise<void> {
  const table = await runTable(uids);
  const fresh = new Map(table.runs.map((run) => [run.uid, run]));
  const others = runs.peek().filter((run) => !uids.includes(run.uid));
  take([...others, ...fresh.values()].sort(byActivity), table.version);
}

/** Running ones first, then the newest: the order of the daemon. */
function byActivity(a: Run, b: Run): number {
  const active = Number(b.status === "running") - Number(a.status === "running");
  return active || (b.updated_at ?? 0) - (a.updated_at ?? 0) || (a.uid < b.uid ? -1 : 1);
}

function take(rows: Run[], newest: number): void {
  batch(() => {
    runs.value = rows;
    version.value = newest;
    loaded.value = true;
    failure.value = null;
  });
}

export function report(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  failure.value =
    error instanceof RequestError
      ? { status: error.status, message: error.message }
      : { status: 0, message: String(error) };
}

export function useToken(value: string): void {
  setToken(value);
  void loadRuns();
}

let running: AbortController | null = null;
/** The version in which shown runs changed last, and the one that the panels on screen are of at least. */
let changedIn = -1;
let panelsOf = -1;
/** Panels whose data answers an earlier question. A request that is given up leaves them here. */
const stale = new Set<string>();

/** Ask for the panels on screen, a few metrics at a time so that the first are drawn while the rest are read. */
async function loadPanels(runIds: string[], names: string[], fresh: boolean): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  let oldest = Infinity;
  if (fresh) panelData.value = new Map([...panelData.value].filter(([name]) => names.includes(name)));
  try {
    for (let at = 0; at < names.length; at += METRICS_PER_REQUEST) {
      const answer = await askPanels(
        {
          runs: runIds,
          metrics: names.slice(at, at + METRICS_PER_REQUEST),
          x: axis.peek(),
          bins: BINS,
          smooth: smoothing.peek(),
          range: range.peek(),
        },
        mine.signal,
      );
      if (mine.signal.aborted) return;
      oldest = Math.min(oldest, answer.version);
      const next = new Map(panelData.value);
      for (const panel of answer.panels) {
        next.set(panel.metric, panel);
        stale.delete(panel.metric);
      }
      panelData.value = next;
    }
  } catch (error) {
    if (mine.signal.aborted) return;
    report(error);
    panelsOf = oldest = -1;
    changedIn = Math.max(changedIn, 0);
    // A busy daemon is asked again; one that is gone is, when it is back.
    if (error instanceof RequestError && error.status >= BUSY) setTimeout(refresh, RETRY_MS);
  } finally {
    if (running === mine) {
      running = null;
      // An answer about some of the panels says nothing of the others.
      if (onScreen().every((name) => names.includes(name))) panelsOf = oldest;
      if (oldest >= 0) refresh();
    }
  }
}

const onScreen = (): string[] => metrics.peek().filter((name) => visible.peek().has(name));

/** Ask again for the panels on screen if runs have changed since; a running request first gets its answer. */
function refresh(): void {
  if (running !== null || changedIn <= panelsOf) return;
  if (range.peek() !== null) return; // a zoomed view stays as it is
  const names = onScreen();
  const shown = shownRuns.peek().map((run) => run.uid);
  if (shown.length > 0 && names.length > 0) void loadPanels(shown, names, false);
}

let scheduled = false;

/** Whether something is still to come: the list, or panels that are on screen. */
export const isLoading = (): boolean =>
  scheduled ||
  running !== null ||
  isLoadingRuns ||
  (!loaded.peek() && failure.peek() === null) ||
  (metrics.peek().length > 0 && visible.peek().size === 0);

/** When the daemon started that the page talks to. */
let started: number | null = null;
/** Whether another database has taken the place of the one that the page showed; the user may dismiss it. */
export const replaced = signal(false);

function isOtherDaemon(change: Change): boolean {
  const other = started !== null && started !== change.started;
  started = change.started;
  return other;
}

/** A restarted daemon may serve another database, whose versions are counted anew and whose runs differ. */
function startAnew(change: Change): void {
  replaced.value = change.version < version.peek();
  version.value = changedIn = panelsOf = -1;
  running?.abort(); // it asks the one before
  running = null;
  for (const name of panelData.peek().keys()) stale.add(name);
  if (!replaced.value) return;
  batch(() => {
    chosenRuns.value = null;
    range.value = null;
    panelData.value = new Map();
  });
}

/** Begin: read the list, then keep panels in step with what is chosen and with what the daemon reads. */
export function start(): void {
  let asked = "";
  let frame = 0;
  effect(() => {
    const runIds = shownRuns.value.map((run) => run.uid);
    const onScreen = metrics.value.filter((name) => visible.value.has(name));
    const question = JSON.stringify([runIds, axis.value, smoothing.value, range.value]);
    const data = panelData.peek();
    const fresh = question !== asked;
    const names = fresh ? onScreen : onScreen.filter((name) => !data.has(name) || stale.has(name));
    if (runIds.length === 0 || names.length === 0) return;
    // Panels come into sight one after the other: they are asked for together.
    cancelAnimationFrame(frame);
    scheduled = true;
    frame = requestAnimationFrame(() => {
      scheduled = false;
      asked = question;
      if (fresh) for (const name of data.keys()) stale.add(name);
      void loadPanels(runIds, names, fresh);
    });
  });
  void loadRuns();
  // What the socket said last, not what the list answered: panels may be older than the list.
  let last = -1;
  follow((change, again) => {
    const isOther = isOtherDaemon(change);
    if (isOther) startAnew(change);
    if (isOther || again) void loadRuns();
    // Time alone has ended runs where the version is the same.
    else if (change.version > version.peek() || change.version === last) void loadRuns(change.runs);
    lastChange.value = change;
    if (change.version === last && !isOther) return;
    last = change.version;
    const shown = shownRuns.peek().map((run) => run.uid);
    if (!change.runs.some((uid) => shown.includes(uid))) return;
    changedIn = change.version;
    refresh();
  });
}
