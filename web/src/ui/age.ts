/** How long ago something was, in one short word. */

const format = new Intl.RelativeTimeFormat(undefined, { style: "narrow", numeric: "always" });

export function age(ts_ms: number, now_ms: number = Date.now()): string {
  const seconds = (ts_ms - now_ms) / 1000;
  const size = Math.abs(seconds);
  if (size < 60) return format.format(Math.round(seconds), "second");
  if (size < 3600) return format.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return format.format(Math.round(seconds / 3600), "hour");
  return format.format(Math.round(seconds / 86_400), "day");
}
