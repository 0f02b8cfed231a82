/** A click pins a moment: the exact point under it, the cursor there in all panels, and its line in the log. */

import { batch } from "@preact/signals";
import { panels as askPanels } from "../api/client";
import type { Panel } from "../api/types";
import { gridOf, type Pick, valueAt } from "../panels/chart";
import { showMoment } from "./log";
import { axis, drawerOpen, drawerShown, drawerTab, focused, moveCursor, panelData, report, ROOMY } from "./page";

/** Bins of a closer look, and how many looks there are: enough for a bin of a billion steps. */
const CLOSER = 1000;
const LOOKS = 4;

let picks = 0;

/** Pin a moment of a panel. The run whose curve was clicked gets the focus. */
export async function pin(metric: string, { x, run, value }: Pick): Promise<void> {
  const mine = ++picks;
  batch(() => {
    if (run !== null) focused.value = run;
    moveCursor(x);
    if (ROOMY.matches && drawerOpen.value !== false) drawerOpen.value = true;
    if (drawerShown.value) drawerTab.value = "log";
  });
  try {
    const exact = run === null ? x : await exactPlace(metric, run, x, value);
    if (mine !== picks) return;
    moveCursor(exact);
    if (drawerShown.peek()) await showMoment(exact);
  } catch (error) {
    report(error);
  }
}

/** Where a value that a panel shows at `x` was reported: the panel itself knows only the bin. */
async function exactPlace(metric: string, run: string, x: number, clicked: number | null): Promise<number> {
  let panel: Panel | undefined = panelData.peek().get(metric);
  let place = x;
  let value = clicked;
  for (let look = 0; panel && look < LOOKS; look++) {
    const series = panel.series.find((one) => one.run === run);
    if (!series) break;
    const grid = gridOf(panel);
    const width = (panel.hi - panel.lo) / panel.bins;
    if (value === null) value = valueAt(panel, series, x);
    else if (look > 0) {
      const bin = grid.findIndex((_, index) => series.low[index] === value || series.high[index] === value);
      if (bin < 0) break;
      place = grid[bin]!;
    }
    const isExact = panel.bins === panel.hi - panel.lo + 1 || width === 0;
    if (value === null || isExact) return value === null ? x : closest(grid, place);
    const range: [number, number] = [place - width, place + width];
    const question = { runs: [run], metrics: [metric], x: axis.peek(), bins: CLOSER, smooth: 0, range };
    panel = (await askPanels(question)).panels[0];
  }
  return axis.peek() === "step" ? Math.round(place) : place;
}

function closest(grid: readonly number[], x: number): number {
  return grid.reduce((best, one) => (Math.abs(one - x) < Math.abs(best - x) ? one : best), x < grid[0]! ? grid[0]! : grid.at(-1)!);
}
