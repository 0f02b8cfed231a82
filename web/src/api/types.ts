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
  /** Settings by name, and sentences about inputs that cannot be read or gave no points. */
  config: Record<string, Fact>;
  warnings: string[];
}

export interface RunTable {
  version: number;
  /** How many there are, though the list may be shorter. */
  total: number;
  runs: Run[];
}

export interface PanelSeries {
  run: string;
  source: string;
  points: number;
  /** When the run began: where its relative time is 0. */
  begin_ms: number;
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

/** A line of a log. `n`: its number, from 1. `step`, `ts_ms`: of the points whose values it prints. */
export interface NumberedLine {
  n: number;
  text: string;
  step?: number;
  ts_ms?: number;
  /** The text goes on. */
  cut?: boolean;
}

export interface LogPage {
  input: string | null;
  /** How many lines the log has. */
  last: number;
  /** The line that was asked for by its step or time. */
  at: number | null;
  lines: NumberedLine[];
  unfinished: string | null;
}

export interface FoundLines {
  input: string | null;
  lines: { n: number; text: string }[];
  /** The line to go on from; null at the end of the log. */
  next: number | null;
}

/** Lines of an input that look like metrics and gave no points. */
export interface UnreadLines {
  lines: number;
  line: number;
  example: string;
  why: string;
  pattern: string;
}

export interface InputHealth {
  id: string;
  name: string;
  path: string;
  why: string;
  data_source: string;
  log_format: string | null;
  state: string;
  points: number;
  records: number;
  matched: number;
  unparsed: number;
  lag_bytes: number;
  error: string | null;
  note: string | null;
  hidden_by: string[];
  hidden_points: number;
  unread: UnreadLines[] | null;
}

export type Fact = string | number | boolean | null;

/** Something that happened in a run; `kind`: start, attempt, nan, spike, stall or end. */
export interface RunEvent {
  time: number;
  time_end: number | null;
  kind: string;
  text: string;
  iteration: number | null;
  metric: string | null;
  value: number | null;
}
