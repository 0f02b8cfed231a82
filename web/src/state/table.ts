/** The list of runs as a table: a column of one's choice, order, groups, and the best by that column. */

import { computed, effect, signal } from "@preact/signals";
import { panels } from "../api/client";
import type { Fact, Run } from "../api/types";
import { chosenRuns, listedRuns, report, runs } from "./page";

export type Order = "recent" | "name" | "up" | "down";
export type Side = "last" | "min" | "max";
/** What stands beside a run: its main metric, one of its metrics, or one of its settings. */
export type Column = { kind: "main" } | { kind: "metric"; side: Side; name: string } | { kind: "config"; name: string };

export const order = signal<Order>("recent");
export const column = signal<Column>({ kind: "main" });
/** The setting that runs are grouped by; `FOLDER`: the first part of their names; "": no groups. */
export const groupBy = signal("");
export const FOLDER = "/";

const BEST = 10;
/** Runs asked for together: what the daemon allows. */
const RUNS_PER_REQUEST = 200;
const MOST_NAMES = 300;

/** The values of the metric that was chosen as column, by uid. */
const values = signal<ReadonlyMap<string, number | null>>(new Map());

export function cell(run: Run): Fact {
  const chosen = column.value;
  if (chosen.kind === "main") return run.last;
  return (chosen.kind === "metric" ? values.value.get(run.uid) : run.config[chosen.name]) ?? null;
}

const compare = (a: Fact, b: Fact): number =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

/** Runs without a value come last in either direction. */
function byCell(a: Run, b: Run): number {
  const [left, right] = [cell(a), cell(b)];
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  return order.value === "up" ? compare(left, right) : compare(right, left);
}

const sorted = computed<Run[]>(() => {
  if (order.value === "recent") return listedRuns.value;
  const compared = order.value === "name" ? (a: Run, b: Run) => a.name.localeCompare(b.name) : byCell;
  return [...listedRuns.value].sort(compared);
});

export type Row = { group: string; size: number } | { run: Run };

const groupOf = (run: Run): string => {
  if (groupBy.value !== FOLDER) return String(run.config[groupBy.value] ?? "–");
  const end = run.name.search(/[/_-]/);
  return end > 0 ? run.name.slice(0, end) : run.name;
};

/** Rows to show: runs in order, below the name of their group where they are grouped. */
export const rows = computed<Row[]>(() => {
  if (groupBy.value === "") return sorted.value.map((run) => ({ run }));
  const groups = new Map<string, Run[]>();
  for (const run of sorted.value) groups.set(groupOf(run), [...(groups.get(groupOf(run)) ?? []), run]);
  return [...groups].flatMap(([group, members]) => [{ group, size: members.length }, ...members.map((run) => ({ run }))]);
});

/** Names of the metrics and settings of all runs, for the choice of a column. */
export const names = computed(() => {
  const metrics = new Set<string>();
  const settings = new Set<string>();
  for (const run of runs.value) {
    for (const name of run.metrics) metrics.add(name);
    for (const name of Object.keys(run.config)) settings.add(name);
  }
  return { metrics: [...metrics].sort().slice(0, MOST_NAMES), settings: [...settings].sort().slice(0, MOST_NAMES) };
});

/** Draw only the first runs of the list as it is ordered. */
export function showBest(): void {
  chosenRuns.value = sorted.value.slice(0, BEST).map((run) => run.uid);
}

/** The address holds a column as `kind:name`. */
export const columnKey = (chosen: Column): string =>
  chosen.kind === "main" ? "" : `${chosen.kind === "metric" ? chosen.side : "config"}:${chosen.name}`;

export function columnOf(key: string): Column {
  const [kind, name] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  if (kind === "config") return { kind, name };
  return kind === "last" || kind === "min" || kind === "max" ? { kind: "metric", side: kind, name } : { kind: "main" };
}

/** Keep the values of a chosen metric in step with the list of runs. */
export function startTable(): void {
  let asked = 0;
  effect(() => {
    const chosen = column.value;
    if (chosen.kind !== "metric") return;
    const uids = runs.value.filter((run) => run.metrics.includes(chosen.name)).map((run) => run.uid);
    const mine = ++asked;
    void load(chosen, uids, () => mine === asked).catch(report);
  });
}

/** One bin holds the least, the greatest and the last value of a run. */
async function load(chosen: Extract<Column, { kind: "metric" }>, uids: string[], isWanted: () => boolean): Promise<void> {
  const found = new Map<string, number | null>();
  for (let at = 0; at < uids.length; at += RUNS_PER_REQUEST) {
    const some = uids.slice(at, at + RUNS_PER_REQUEST);
    const answer = await panels({ runs: some, metrics: [chosen.name], x: "step", bins: 1, smooth: 0, range: null });
    if (!isWanted()) return;
    for (const series of answer.panels[0]?.series ?? []) {
      const value = chosen.side === "last" ? series.last : (chosen.side === "min" ? series.low : series.high)[0];
      found.set(series.run, found.get(series.run) ?? value ?? null);
    }
  }
  if (isWanted()) values.value = found;
}
