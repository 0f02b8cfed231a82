/** A panel as a file: one row for each run and bin that holds a point. */

import type { Axis, Panel } from "../api/types";
import { gridOf } from "./chart";

export function csv(panel: Panel, axis: Axis): string {
  const grid = gridOf(panel);
  const rows = [["run", "source", axis, "low", "mean", "high", "smoothed"].join(",")];
  for (const series of panel.series) {
    const names = `${field(series.run)},${field(series.source)}`;
    for (let bin = 0; bin < panel.bins; bin++) {
      if (series.middle[bin] === null) continue;
      const values = [series.low[bin], series.middle[bin], series.high[bin], series.smooth?.[bin]];
      rows.push(`${names},${grid[bin]},${values.map((value) => value ?? "").join(",")}`);
    }
  }
  return `${rows.join("\n")}\n`;
}

/** Quoted where needed. Spreadsheets run what begins with one of =+-@: an apostrophe makes it text. */
function field(text: string): string {
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 100);
  link.click();
  URL.revokeObjectURL(link.href);
}
