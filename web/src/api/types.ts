/** The answers of the page's routes, as docs/http-api.md has them. Times are UTC milliseconds. */

export type Axis = "step" | "time" | "relative";

export interface Run {
  uid: string;
  name: string;
  status: string;
  framework: string | null;
  /** The last step, and the one that training will end at, where they are known. */
  step: number | null;
  target: number | null;
  updated_at: number | null;
  /** The metric that stands for the run, its last value, and about 60 values for a sparkline (null: not finite). */
  metric: string | null;
  last: number | null;
  spark: (number | null)[];
  metrics: string[];
}

export interface RunTable {
  version: number;
  runs: Run[];
}

export interface PanelSeries {
  run: string;
  source: string;
  points: number;
  /** Points that are NaN or infinite, and where the first of them are. */
  not_finite: number;
  not_finite_x: number[];
  last_x: number | null;
  last: number | null;
  /** One entry per bin of the panel's grid; null where the bin holds no finite point. */
  low: (number | null)[];
  high: (number | null)[];
  middle: (number | null)[];
  smooth?: (number | null)[];
}

export interface Panel {
  metric: string;
  lo: number;
  hi: number;
  bins: number;
  series: PanelSeries[];
}

export interface Panels {
  version: number;
  x: Axis;
  panels: Panel[];
}

/** What the live socket sends: when the daemon started, the newest version, and the runs that changed since. */
export interface Change {
  started: number;
  version: number;
  runs: string[];
}
