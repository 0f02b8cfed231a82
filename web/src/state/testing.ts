/** `window.lensd`: what is drawn, as values. For tests and for people who script the page; see docs/page.md. */

import { requestsInFlight } from "../api/client";
import { fittedRange, valueAt } from "../panels/chart";
import { isLoading, logScale, panelData } from "./page";

export interface DrawnPanel {
  metric: string;
  x: [number, number];
  y: [number, number];
  series: { run: string; points: number; last: number | null }[];
}

export interface PageApi {
  panels: () => DrawnPanel[];
  /** The value that the page shows for a run at `x`; null where there is none. */
  valueAt: (metric: string, run: string, x: number) => number | null;
  /** Resolves when nothing is in flight and everything is drawn. */
  idle: () => Promise<void>;
}

declare global {
  interface Window {
    lensd: PageApi;
  }
}

const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

export function expose(): void {
  window.lensd = {
    panels: () =>
      [...panelData.value.values()].map((panel) => ({
        metric: panel.metric,
        x: [panel.lo, panel.hi],
        y: fittedRange(panel, logScale.value, false),
        series: panel.series.map(({ run, points, last }) => ({ run, points, last })),
      })),
    valueAt: (metric, run, x) => {
      const panel = panelData.value.get(metric);
      const series = panel?.series.find((one) => one.run === run);
      return panel && series ? valueAt(panel, series, x) : null;
    },
    idle: async () => {
      do {
        await frame();
        await frame();
      } while (requestsInFlight() > 0 || isLoading());
      await frame();
    },
  };
}
