/** One panel: title with the values under the cursor, the chart, and a summary in words for those who cannot see it. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Panel } from "../api/types";
import { attempts } from "../state/events";
import { pin } from "../state/moment";
import {
  axis,
  cursor,
  hovered,
  jump,
  logScale,
  panelData,
  setVisible,
  shownRuns,
  tabled,
  wide,
  zoom,
  zoomOut,
} from "../state/page";
import { messages } from "../ui/messages";
import { Chart, chartKey, type ChartOptions, fittedRange, outside, valueAt } from "./chart";
import { colours } from "./colours";
import { number, place } from "./format";
import { PanelMenu } from "./PanelMenu";
import { PanelTable } from "./PanelTable";

const MOST_VALUES = 8;

export function PanelView({ metric }: { metric: string }) {
  const element = useRef<HTMLElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const fitAll = useSignal(false);
  const panel = useComputed(() => panelData.value.get(metric) ?? null);
  const isWide = useComputed(() => wide.value === metric);
  const palette = useComputed(() => colours(shownRuns.value.map((run) => run.uid)));
  const names = useComputed(() => new Map(shownRuns.value.map((run) => [run.uid, run.name])));

  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => setVisible(metric, entries.some((entry) => entry.isIntersecting)),
      { rootMargin: "200px" },
    );
    observer.observe(element.current!);
    return () => {
      observer.disconnect();
      setVisible(metric, false);
    };
  }, [metric]);

  useEffect(() => {
    const host = canvas.current!;
    const observer = new ResizeObserver(() => chart.current?.resize(host.clientWidth));
    observer.observe(host);
    return () => {
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);

  const data = panel.value;
  const options: ChartOptions = {
    axis: axis.value,
    logScale: logScale.value,
    colours: palette.value,
    wide: isWide.value,
    fitAll: fitAll.value,
    ...theme(),
    onZoom: zoom,
    onCursor: (x) => {
      cursor.value = x;
    },
    attempts: () => ({ places: attempts.peek(), label: messages().attempt }),
    onPick: (picked) => void pin(metric, picked),
  };
  useEffect(() => {
    if (!data || !canvas.current) return;
    if (chart.current?.key === chartKey(data, options)) {
      chart.current.update(data);
      return;
    }
    chart.current?.destroy();
    chart.current = new Chart(canvas.current, data, options);
  });

  useEffect(() => chart.current?.redraw(), [attempts.value]);

  useEffect(() => {
    if (jump.value !== null) chart.current?.pointAt(jump.value);
  }, [jump.value]);

  const beyond = data && !fitAll.value ? outside(data, fittedRange(data, logScale.value, false)) : 0;
  const notFinite = data ? data.series.reduce((sum, series) => sum + series.not_finite, 0) : 0;
  const x = cursor.value;
  return (
    <figure
      class={isWide.value ? "panel wide" : "panel"}
      ref={element}
      aria-label={summary(metric, data)}
      onMouseEnter={() => (hovered.value = metric)}
      onMouseLeave={() => (hovered.value = null)}
      onFocusIn={() => (hovered.value = metric)}
    >
      <figcaption onDblClick={() => (wide.value = isWide.value ? null : metric)}>
        <span class="metric" title={metric}>
          {metric}
        </span>
        {beyond > 0 && (
          <button class="count" title={messages().fitAll} onClick={() => (fitAll.value = true)}>
            ▲ {beyond}
          </button>
        )}
        {notFinite > 0 && <span class="count bad">NaN {notFinite}</span>}
        <PanelMenu metric={metric} data={data} />
      </figcaption>
      <div class="canvas" ref={canvas} onDblClick={() => zoomOut()} onMouseLeave={() => (cursor.value = null)} />
      {data && x !== null && x >= data.lo && x <= data.hi ? (
        <Values data={data} x={x} palette={palette.value} names={names.value} />
      ) : (
        <p class="values last">{data && lastValues(data)}</p>
      )}
      {data && tabled.value.includes(metric) && <PanelTable panel={data} names={names.value} />}
    </figure>
  );
}

function Values(props: {
  data: Panel;
  x: number;
  palette: ReadonlyMap<string, string>;
  names: ReadonlyMap<string, string>;
}) {
  const values = props.data.series
    .map((series) => ({ series, value: valueAt(props.data, series, props.x) }))
    .filter((one): one is { series: Panel["series"][number]; value: number } => one.value !== null)
    .sort((a, b) => b.value - a.value)
    .slice(0, MOST_VALUES);
  return (
    <p class="values">
      <span class="x">{place(props.x, axis.value)}</span>
      {values.map(({ series, value }) => (
        <span key={`${series.run} ${series.source}`}>
          <i style={{ background: props.palette.get(series.run) }} />
          {number(value)} <small>{props.names.get(series.run) ?? series.run}</small>
        </span>
      ))}
    </p>
  );
}

function lastValues(panel: Panel): string {
  if (panel.series.length !== 1) return "";
  const [only] = panel.series;
  return only!.last === null ? "" : `${number(only!.last)} @ ${place(only!.last_x ?? 0, axis.value)}`;
}

function summary(metric: string, panel: Panel | null): string {
  if (!panel) return metric;
  const parts = panel.series.map(
    (series) => `${series.run}: ${series.points} points, last ${number(series.last)}`,
  );
  return `${metric}. ${parts.join("; ")}`;
}

function theme(): { text: string; grid: string } {
  const style = getComputedStyle(document.documentElement);
  return { text: style.getPropertyValue("--soft").trim(), grid: style.getPropertyValue("--line").trim() };
}
