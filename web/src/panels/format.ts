/** Numbers, steps and times as a person reads them. */

import type { Axis } from "../api/types";

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return Number(value.toPrecision(4)).toExponential().replace("e+", "e");
  return Number(value.toPrecision(5)).toString();
}

const grouped = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export function duration(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

/** A place on the x axis: a step, a moment (ms since the epoch) or seconds since the run began. */
export function place(x: number, axis: Axis): string {
  if (axis === "time") return clock.format(x);
  return axis === "relative" ? duration(x) : grouped.format(x);
}
