/**
 * What the pointer does to a panel. The wheel zooms at the cursor with ctrl (or a pinch), pans with shift, else the
 * page scrolls; a click picks a place; a drag is uPlot's.
 */

import type uPlot from "uplot";
import { range } from "../state/page";

const ZOOM_PER_PIXEL = 0.002;
/** Events closer than this are one turn of the wheel, and one level of the zoom. */
const SAME_TURN_MS = 500;

let lastTurn = -Infinity;

export function listenToWheel(plot: uPlot, onZoom: (range: [number, number], level: boolean) => void): void {
  plot.over.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      const { min, max } = plot.scales["x"]!;
      const [lo, hi] = range.peek() ?? [min ?? 0, max ?? 1];
      const isNew = event.timeStamp - lastTurn > SAME_TURN_MS;
      lastTurn = event.timeStamp;
      const share = event.offsetX / plot.over.clientWidth;
      const turned = event.deltaY || event.deltaX; // browsers turn shift and the wheel into a horizontal one
      onZoom(event.ctrlKey ? zoomed(lo, hi, share, turned) : panned(lo, hi, turned / plot.over.clientWidth), isNew);
    },
    { passive: false },
  );
}

function zoomed(lo: number, hi: number, share: number, turned: number): [number, number] {
  const width = (hi - lo) * Math.exp(turned * ZOOM_PER_PIXEL);
  const at = lo + share * (hi - lo);
  return [at - share * width, at + (1 - share) * width];
}

function panned(lo: number, hi: number, share: number): [number, number] {
  const by = share * (hi - lo);
  return [lo + by, hi + by];
}

/** Pixels that a pointer may move while it is pressed for a click. */
const STILL = 3;

export function listenToClicks(plot: uPlot, picked: (left: number, top: number) => void): void {
  let from: [number, number] | null = null;
  plot.over.addEventListener("pointerdown", (event) => (from = [event.clientX, event.clientY]));
  plot.over.addEventListener("click", (event) => {
    const moved = from === null ? 0 : Math.hypot(event.clientX - from[0], event.clientY - from[1]);
    if (moved <= STILL && event.detail < 2) picked(event.offsetX, event.offsetY);
  });
}
