/** Places of a panel that deserve a look: where a run is not finite, or leaves the drawn range. */

import { cursor, jump, logScale, moveCursor, panelData } from "../state/page";
import type { Panel } from "../api/types";
import { fittedRange, gridOf } from "./chart";

export function marksOf(panel: Panel, log: boolean): number[] {
  const [low, high] = fittedRange(panel, log, false);
  const grid = gridOf(panel);
  const places = new Set<number>();
  for (const series of panel.series) {
    for (const x of series.not_finite_x) places.add(x);
    for (let bin = 0; bin < panel.bins; bin++) {
      if ((series.high[bin] ?? high) > high || (series.low[bin] ?? low) < low) places.add(grid[bin]!);
    }
  }
  return [...places].sort((a, b) => a - b);
}

/** Put the cursor on the next mark of a panel (`by` 1) or the one before (-1); it stays where there is none. */
export function toMark(metric: string | undefined, by: 1 | -1): void {
  const panel = metric === undefined ? undefined : panelData.value.get(metric);
  if (!panel) return;
  const all = marksOf(panel, logScale.value);
  const from = cursor.value ?? jump.value ?? (by > 0 ? -Infinity : Infinity);
  const next = by > 0 ? all.find((x) => x > from) : all.findLast((x) => x < from);
  if (next !== undefined) moveCursor(next);
}
