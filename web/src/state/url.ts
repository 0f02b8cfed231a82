/** The view as the part of the address behind `#`: readable, short, and restored on reload. */

import { effect } from "@preact/signals";
import type { Axis } from "../api/types";
import { marked } from "./log";
import {
  axis,
  chosenRuns,
  drawerOpen,
  drawerShown,
  drawerTab,
  focused,
  logScale,
  pinned,
  range,
  search,
  smoothing,
  type Tab,
  useToken,
  wide,
} from "./page";
import { column, columnKey, columnOf, groupBy, order } from "./table";

const TABS: readonly Tab[] = ["log", "events", "inputs", "config"];
const AXES: readonly Axis[] = ["step", "time", "relative"];

export function restore(hash: string): void {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const token = values.get("token");
  if (token) useToken(token);
  const runs = values.get("r");
  if (runs) chosenRuns.value = runs.split(",").map(decodeURIComponent);
  search.value = values.get("m") ?? "";
  const x = values.get("x") as Axis | null;
  if (x && AXES.includes(x)) axis.value = x;
  logScale.value = values.get("y") === "log";
  const smooth = Number(values.get("s") ?? 0);
  if (smooth >= 0 && smooth < 1) smoothing.value = smooth;
  const [lo, hi] = (values.get("z") ?? "").split("~").map(Number);
  if (lo !== undefined && hi !== undefined && lo < hi) range.value = [lo, hi];
  wide.value = values.get("f");
  const pins = values.get("p");
  if (pins) pinned.value = pins.split(",").map(decodeURIComponent);
  column.value = columnOf(values.get("c") ?? "");
  const ordered = values.get("o");
  if (ordered === "name" || ordered === "up" || ordered === "down") order.value = ordered;
  groupBy.value = values.get("g") ?? "";
  focused.value = values.get("d");
  const tab = values.get("t") as Tab | null;
  if (tab && TABS.includes(tab)) drawerTab.value = tab;
  if (tab || values.has("l")) drawerOpen.value = true;
}

/** The line of the log that an address points at. */
export function linkedLine(hash: string): number | null {
  const line = Number(new URLSearchParams(hash.replace(/^#/, "")).get("l"));
  return Number.isInteger(line) && line > 0 ? line : null;
}

export function keep(): void {
  effect(() => {
    const values = new URLSearchParams();
    if (chosenRuns.value) values.set("r", chosenRuns.value.map(encodeURIComponent).join(","));
    if (search.value) values.set("m", search.value);
    if (axis.value !== "step") values.set("x", axis.value);
    if (logScale.value) values.set("y", "log");
    if (smoothing.value > 0) values.set("s", String(smoothing.value));
    if (range.value) values.set("z", range.value.map((end) => Number(end.toPrecision(8))).join("~"));
    if (wide.value) values.set("f", wide.value);
    if (pinned.value.length > 0) values.set("p", pinned.value.map(encodeURIComponent).join(","));
    if (columnKey(column.value)) values.set("c", columnKey(column.value));
    if (order.value !== "recent") values.set("o", order.value);
    if (groupBy.value) values.set("g", groupBy.value);
    if (focused.value) values.set("d", focused.value);
    if (drawerShown.value && drawerTab.value !== "log") values.set("t", drawerTab.value);
    if (drawerShown.value && marked.value !== null) values.set("l", String(marked.value));
    const hash = values.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  });
}
