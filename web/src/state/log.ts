/** The log of the run in focus: which lines are known, which are in sight, and what was searched for. */

import { batch, effect, signal } from "@preact/signals";
import { logLines, type LogPlace, searchLog } from "../api/client";
import type { LogPage, NumberedLine } from "../api/types";
import { axis, drawerShown, focused, lastChange, moveCursor, panelData, report, shownRuns } from "./page";

/** Lines asked for together. Pages begin at 1, 201, 401, ... */
const PAGE = 200;
const MOST_NEW = 1000;
const MOST_HITS = 5000;
/** Words of lines that deserve a look. */
const WARNINGS = "\\b(warn(ing)?|error|exception|traceback|critical|fatal|nan)\\b";

export const logRun = signal<string | null>(null);
/** How many lines the log has; null before the first answer. */
export const total = signal<number | null>(null);
export const unfinished = signal<string | null>(null);
/** The lines known so far, by number. Replaced with each answer. */
export const known = signal<ReadonlyMap<number, NumberedLine>>(new Map());
export const following = signal(true);
/** The line that is marked: that of the moment under the pinned cursor, or of a link. */
export const marked = signal<number | null>(null);
/** Where the view should go: a line and a count, so that the same line can be asked for again. */
export const goal = signal<{ line: number; asked: number } | null>(null);

export const query = signal("");
export const hits = signal<{ n: number; text: string }[]>([]);
/** Whether the search is going on, and whether there may be more hits than are shown. */
export const searching = signal(false);
export const onlyWarnings = signal(false);

/** Rises with each other run or replaced log: what was asked before it is of no use any more. */
let generation = 0;
let asked = 0;
const inFlight = new Set<string>();

export function goTo(line: number): void {
  batch(() => {
    following.value = false;
    marked.value = line;
    goal.value = { line, asked: ++asked };
  });
}

function forget(): void {
  generation++;
  inFlight.clear();
  batch(() => {
    total.value = null;
    unfinished.value = null;
    known.value = new Map();
    hits.value = [];
  });
}

/** Ask for lines once: an equal question that is under way is not asked again. */
async function ask(place: LogPlace, count: number): Promise<LogPage | null> {
  const uid = logRun.peek();
  const key = JSON.stringify([place, count]);
  if (!uid || inFlight.has(key)) return null;
  inFlight.add(key);
  const mine = generation;
  try {
    const page = await logLines(uid, count, place);
    if (mine !== generation) return null;
    take(page);
    return page;
  } catch (error) {
    if (mine === generation) report(error);
    return null;
  } finally {
    if (mine === generation) inFlight.delete(key);
  }
}

function take(page: LogPage): void {
  const before = total.peek();
  batch(() => {
    const isShorter = before !== null && page.last < before;
    if (isShorter) forget(); // the log was replaced
    const next = new Map(known.peek());
    for (const line of page.lines) next.set(line.n, line);
    known.value = next;
    total.value = page.last;
    if (page.unfinished !== null || page.lines.at(-1)?.n === page.last) unfinished.value = page.unfinished;
  });
}

/** Ask for the lines from `first` to `last` that are not known yet. */
export function need(first: number, last: number): void {
  const end = Math.min(last, total.peek() ?? 0);
  for (let page = Math.floor((first - 1) / PAGE); page * PAGE < end; page++) {
    const from = page * PAGE + 1;
    let missing = false;
    for (let n = Math.max(first, from); n <= Math.min(end, from + PAGE - 1); n++) missing ||= !known.peek().has(n);
    if (missing) void ask({ from }, PAGE);
  }
}

/** Mark the line that was printed at a place of the x axis, and bring it into sight. */
export async function showMoment(x: number): Promise<void> {
  const uid = logRun.peek();
  const place: LogPlace =
    axis.peek() === "step"
      ? { at_step: Math.round(x) }
      : { at_time: axis.peek() === "time" ? x : (beginOf(uid) ?? 0) + x * 1000 };
  const page = await ask(place, PAGE);
  if (page?.at) goTo(page.at);
}

/** Put the cursor of all panels where a line was printed: at its own step, else at that of the last line above. */
export function showLine(n: number): void {
  marked.value = n;
  for (let at = n; at > Math.max(0, n - 2 * PAGE); at--) {
    const line = known.peek().get(at);
    if (line?.step === undefined && line?.ts_ms === undefined) continue;
    const x = placeOf(line);
    if (x !== null) moveCursor(x);
    return;
  }
}

function placeOf(line: NumberedLine): number | null {
  if (axis.peek() === "step") return line.step ?? null;
  if (line.ts_ms === undefined) return null;
  const begin = beginOf(logRun.peek());
  if (axis.peek() === "time") return line.ts_ms;
  return begin === null ? null : (line.ts_ms - begin) / 1000;
}

/** When a run began, UTC milliseconds: where its relative time is 0. */
export function beginOf(uid: string | null): number | null {
  for (const panel of panelData.peek().values()) {
    const series = panel.series.find((one) => one.run === uid);
    if (series) return series.begin_ms;
  }
  return null;
}

let search: AbortController | null = null;

/** Look for the text of `query`, or for warnings, in the whole log; hits come page by page. */
async function find(): Promise<void> {
  search?.abort();
  const [uid, mine] = [logRun.peek(), new AbortController()];
  search = mine;
  const regex = onlyWarnings.peek();
  const text = regex ? WARNINGS : query.peek();
  batch(() => {
    hits.value = [];
    searching.value = text !== "" && uid !== null;
  });
  if (text === "" || uid === null) return;
  try {
    let from: number | null = 1;
    while (from !== null && hits.peek().length < MOST_HITS) {
      const found = await searchLog(uid, text, regex, from, mine.signal);
      if (mine.signal.aborted) return;
      hits.value = [...hits.peek(), ...found.lines];
      from = found.next;
    }
  } catch (error) {
    if (!mine.signal.aborted) report(error);
  } finally {
    if (search === mine) searching.value = false;
  }
}

/** To the next hit (`by` 1) or the one before (-1), around the marked line. */
export function toHit(by: 1 | -1): void {
  const all = hits.value;
  if (all.length === 0) return;
  const from = marked.value ?? (by > 0 ? 0 : Infinity);
  const next = by > 0 ? all.find((hit) => hit.n > from) : all.findLast((hit) => hit.n < from);
  goTo((next ?? all.at(by > 0 ? 0 : -1)!).n);
}

let tailing = -1;
let isOvertaken = false;

/** Ask for the end of the log, or for what was written behind it; once more where more came meanwhile. */
async function tail(): Promise<void> {
  if (tailing === generation) {
    isOvertaken = true;
    return;
  }
  const mine = generation;
  tailing = mine;
  do {
    isOvertaken = false;
    const last = total.peek();
    const page = await ask(last ? { from: last + 1 } : null, last ? MOST_NEW : PAGE);
    // More was written than one answer holds: what is in sight is asked for as it is needed.
    if (page && page.lines.length === MOST_NEW && following.peek()) need(page.last - PAGE, page.last);
  } while (isOvertaken && mine === generation);
  if (tailing === mine) tailing = -1;
}

/** Keep the log in step with the run in focus, and with what is written to it. */
export function startLog(linked: number | null): void {
  let first = linked;
  effect(() => {
    const uid = drawerShown.value ? (focused.value ?? shownRuns.value[0]?.uid ?? null) : null;
    if (uid === logRun.peek()) return;
    batch(() => {
      logRun.value = uid;
      forget();
      following.value = true;
      marked.value = null;
      goal.value = null;
    });
    if (uid === null) return;
    const line = first;
    first = null;
    if (line === null) void tail();
    else void ask({ from: Math.max(1, line - PAGE / 2) }, PAGE).then((page) => page && goTo(line));
  });
  effect(() => {
    const change = lastChange.value;
    const uid = logRun.peek();
    if (!change || !uid || !change.runs.includes(uid)) return;
    void tail();
  });
  effect(() => {
    void [query.value, onlyWarnings.value, logRun.value];
    void find();
  });
}
