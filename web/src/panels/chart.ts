/** One panel as a uPlot chart: per run a line (the middle of each bin), a band (its least and greatest), ticks for NaN. */

import uPlot from "uplot";
import type { Axis, Panel } from "../api/types";
import { number, place } from "./format";
import { listenToClicks, listenToWheel } from "./pointer";

/** y fits this share of the visible values: one spike does not flatten the curve. It is marked at the edge. */
const FITTED = [0.01, 0.99] as const;
const HEIGHT = 132;
const WIDE_HEIGHT = 420;
/** Pixels from a curve within which a click means it. */
const NEAR = 16;

/** Distances of ticks on an axis of steps, which are whole. */
const WHOLE = Array.from({ length: 18 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/** What a click means: a place, and the run and value that are there, where a curve is. */
export interface Pick {
  x: number;
  run: string | null;
  value: number | null;
}

export interface ChartOptions {
  axis: Axis;
  logScale: boolean;
  colours: ReadonlyMap<string, string>;
  wide: boolean;
  fitAll: boolean;
  text: string;
  grid: string;
  /** `level` false: a zoom that goes on, as the wheel turns. */
  onZoom: (range: [number, number], level?: boolean) => void;
  onCursor: (x: number | null) => void;
  onPick: (pick: Pick) => void;
  /** Where the run in focus began again, and what is written there. */
  attempts: () => { places: readonly number[]; label: (attempt: number) => string };
}

/** The middle of each bin; the step itself where a bin holds just one. */
export function gridOf(panel: Panel): number[] {
  if (panel.bins === panel.hi - panel.lo + 1) return Array.from({ length: panel.bins }, (_, index) => panel.lo + index);
  const width = (panel.hi - panel.lo) / panel.bins;
  return Array.from({ length: panel.bins }, (_, index) => panel.lo + (index + 0.5) * width);
}

function rgba(colour: string, alpha: number): string {
  const value = Number.parseInt(colour.slice(1), 16);
  return `rgba(${value >> 16},${(value >> 8) & 255},${value & 255},${alpha})`;
}

/** The y range that is drawn: the 1st to 99th percentile of what is visible, all of it where `fitAll`. */
export function fittedRange(panel: Panel, logScale: boolean, fitAll: boolean): [number, number] {
  const values: number[] = [];
  for (const series of panel.series) {
    for (const side of [series.low, series.high]) {
      for (const value of side) if (value !== null && (!logScale || value > 0)) values.push(value);
    }
  }
  if (values.length === 0) return logScale ? [0.1, 1] : [0, 1];
  values.sort((a, b) => a - b);
  const at = (share: number): number => values[Math.round(share * (values.length - 1))]!;
  let low = fitAll ? values[0]! : at(FITTED[0]);
  let high = fitAll ? values[values.length - 1]! : at(FITTED[1]);
  if (logScale) return low === high ? [low / 2, high * 2] : [low, high];
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  low -= pad;
  high += pad;
  // A range beyond what a float holds cannot be drawn to scale.
  return [Math.max(low, -Number.MAX_VALUE / 4), Math.min(high, Number.MAX_VALUE / 4)];
}

/** How many bins hold values that are outside of the drawn range. */
export function outside(panel: Panel, [low, high]: [number, number]): number {
  let count = 0;
  for (const series of panel.series) {
    for (let bin = 0; bin < panel.bins; bin++) {
      const top = series.high[bin];
      const bottom = series.low[bin];
      if ((top ?? high) > high || (bottom ?? low) < low) count++;
    }
  }
  return count;
}

function data(panel: Panel): uPlot.AlignedData {
  const columns: (number | null)[][] = [gridOf(panel)];
  for (const series of panel.series) columns.push(series.high, series.low, series.smooth ?? series.middle);
  return columns as uPlot.AlignedData;
}

/** Red ticks on the axis where a run is NaN or infinite, and triangles where it leaves the drawn range. */
function marks(panel: () => Panel, yRange: () => [number, number], colours: ReadonlyMap<string, string>) {
  return (chart: uPlot): void => {
    const { ctx, bbox } = chart;
    const [low, high] = yRange();
    const ratio = devicePixelRatio;
    const grid = chart.data[0]!;
    for (const series of panel().series) {
      ctx.fillStyle = "#d4303a";
      for (const x of series.not_finite_x) {
        const at = chart.valToPos(x, "x", true);
        ctx.fillRect(at - ratio / 2, bbox.top + bbox.height - 7 * ratio, 1.5 * ratio, 7 * ratio);
      }
      ctx.fillStyle = colours.get(series.run) ?? "#888";
      for (let bin = 0; bin < grid.length; bin++) {
        const above = (series.high[bin] ?? high) > high;
        const below = (series.low[bin] ?? low) < low;
        if (!above && !below) continue;
        const x = chart.valToPos(grid[bin]!, "x", true);
        const y = above ? bbox.top + ratio : bbox.top + bbox.height - ratio;
        const size = 4 * ratio;
        ctx.beginPath();
        ctx.moveTo(x, y);
        ctx.lineTo(x - size, y + (above ? size : -size));
        ctx.lineTo(x + size, y + (above ? size : -size));
        ctx.fill();
      }
    }
  };
}

/** Faint bands for every other attempt, below the curves. */
function shades(options: ChartOptions) {
  return (chart: uPlot): void => {
    const { places, label } = options.attempts();
    const { ctx, bbox } = chart;
    const right = bbox.left + bbox.width;
    const clamp = (x: number): number => Math.max(bbox.left, Math.min(right, x));
    places.forEach((place, index) => {
      const from = clamp(chart.valToPos(place, "x", true));
      const to = index + 1 < places.length ? clamp(chart.valToPos(places[index + 1]!, "x", true)) : right;
      ctx.fillStyle = options.grid;
      ctx.globalAlpha = index % 2 ? 0.2 : 0.5;
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
      ctx.globalAlpha = 1;
      if (from <= bbox.left || from >= right) return;
      ctx.fillStyle = options.text;
      ctx.fillRect(from, bbox.top, devicePixelRatio, bbox.height);
      ctx.font = `${10 * devicePixelRatio}px system-ui`;
      const text = label(index + 2);
      const gap = 4 * devicePixelRatio;
      const fits = from + gap + ctx.measureText(text).width <= right;
      ctx.textAlign = fits ? "left" : "right";
      ctx.fillText(text, fits ? from + gap : from - gap, bbox.top + 10 * devicePixelRatio);
    });
  };
}

const syncKey = uPlot.sync("x");

/** A chart in `element`, drawn at once. `update` takes new data of the same runs; anything else needs a new one. */
export class Chart {
  readonly key: string;
  private readonly plot: uPlot;
  private panel: Panel;
  private yRange: [number, number];

  constructor(
    element: HTMLElement,
    panel: Panel,
    private readonly options: ChartOptions,
  ) {
    this.panel = panel;
    this.key = chartKey(panel, options);
    this.yRange = fittedRange(panel, options.logScale, options.fitAll);
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const one of panel.series) {
      const colour = options.colours.get(one.run) ?? "#888888";
      const edge = { stroke: rgba(colour, 0), width: 0, points: { show: false }, spanGaps: true };
      bands.push({ series: [series.length, series.length + 1], fill: rgba(colour, 0.22) });
      series.push(edge, edge, {
        stroke: colour,
        width: 1.25,
        spanGaps: true,
        points: { show: one.points === 1, size: 5 },
        ...(one.source === "log" ? {} : { dash: one.source === "tensorflow" ? [6, 3] : [2, 2] }),
      });
    }
    if (new Set(panel.series.map((one) => one.source)).size < 2) for (const one of series) delete one.dash;
    const axisLook = { stroke: options.text, grid: { stroke: options.grid, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(120, element.clientWidth),
        height: options.wide ? WIDE_HEIGHT : HEIGHT,
        legend: { show: false },
        scales: {
          x: { time: false, range: () => [this.panel.lo, this.panel.hi === this.panel.lo ? this.panel.lo + 1 : this.panel.hi] },
          y: { distr: options.logScale ? 3 : 1, range: () => this.yRange },
        },
        axes: [
          { ...axisLook, size: 22, font: "11px system-ui", values: (_, ticks) => ticks.map((x) => place(x, options.axis)), space: options.axis === "time" ? 110 : 60, ...(options.axis === "step" ? { incrs: WHOLE } : {}) },
          { ...axisLook, size: 46, font: "11px system-ui", values: (_, ticks) => ticks.map((y) => (y === null ? "" : number(y))), space: 26 },
        ],
        series,
        bands,
        cursor: {
          sync: { key: syncKey.key, setSeries: false },
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
        },
        hooks: {
          drawClear: [shades(options)],
          draw: [marks(() => this.panel, () => this.yRange, options.colours)],
          setSelect: [
            (chart) => {
              // The selection is synced to every panel: only the one that is under the pointer reports it.
              if (chart.select.width < 4 || !chart.root.matches(":hover")) return;
              const from = chart.posToVal(chart.select.left, "x");
              const to = chart.posToVal(chart.select.left + chart.select.width, "x");
              chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              options.onZoom([from, to]);
            },
          ],
          setCursor: [
            (chart) => {
              if (!chart.root.matches(":hover")) return;
              const left = chart.cursor.left ?? -1;
              options.onCursor(left < 0 ? null : chart.posToVal(left, "x"));
            },
          ],
        },
      },
      data(panel),
      element,
    );
    listenToWheel(this.plot, options.onZoom);
    listenToClicks(this.plot, (left, top) => {
      options.onPick(this.nearest(left, top) ?? { x: this.plot.posToVal(left, "x"), run: null, value: null });
    });
  }

  /** The point of a curve that is nearest to a place in pixels; null where none is near. */
  private nearest(left: number, top: number): Pick | null {
    const { clientWidth, clientHeight } = this.plot.over;
    const grid = this.plot.data[0]!;
    const middle = Math.round((left / clientWidth) * this.panel.bins);
    const around = Math.ceil((NEAR / clientWidth) * this.panel.bins);
    let best: (Pick & { away: number }) | null = null;
    for (let bin = Math.max(0, middle - around); bin <= Math.min(this.panel.bins - 1, middle + around); bin++) {
      const across = this.plot.valToPos(grid[bin]!, "x") - left;
      for (const series of this.panel.series) {
        for (const value of [series.low[bin], series.high[bin]]) {
          if (value === null || value === undefined) continue;
          const height = Math.max(0, Math.min(clientHeight, this.plot.valToPos(value, "y")));
          const away = Math.hypot(across, height - top);
          if (away < NEAR && (best === null || away < best.away)) best = { x: grid[bin]!, run: series.run, value, away };
        }
      }
    }
    return best;
  }

  /** Put the cursor on `x` in this panel alone, without the pointer. */
  pointAt(x: number): void {
    this.plot.setCursor({ left: this.plot.valToPos(x, "x"), top: HEIGHT / 2 }, false);
  }

  redraw(): void {
    this.plot.redraw(false);
  }

  update(panel: Panel): void {
    this.panel = panel;
    this.yRange = fittedRange(panel, this.options.logScale, this.options.fitAll);
    this.plot.setData(data(panel));
  }

  resize(width: number): void {
    this.plot.setSize({ width: Math.max(120, width), height: this.plot.height });
  }

  destroy(): void {
    this.plot.destroy();
  }
}

export function chartKey(panel: Panel, options: ChartOptions): string {
  return JSON.stringify([
    panel.series.map((one) => [one.run, one.source, one.points === 1, options.colours.get(one.run)]),
    options.axis,
    options.logScale,
    options.wide,
    options.fitAll,
    options.text,
  ]);
}

/** The value of a series nearest to `x` among its bins; null where it has none. */
export function valueAt(panel: Panel, series: Panel["series"][number], x: number): number | null {
  const width = (panel.hi - panel.lo) / panel.bins || 1;
  const middle = Math.max(0, Math.min(panel.bins - 1, Math.floor((x - panel.lo) / width)));
  for (let away = 0; away < panel.bins; away++) {
    for (const bin of [middle - away, middle + away]) {
      const value = series.middle[bin];
      if (value === null || value === undefined) continue;
      // A bin that holds a spike shows it: the value farther from the middle.
      const low = series.low[bin]!;
      const high = series.high[bin]!;
      return high - value > value - low ? high : low < value ? low : value;
    }
  }
  return null;
}
