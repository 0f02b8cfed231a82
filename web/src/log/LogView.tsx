/** The log as rows of one height, of which only those in sight are in the document. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import {
  following,
  goal,
  goTo,
  hits,
  known,
  logRun,
  marked,
  need,
  onlyWarnings,
  query,
  searching,
  showLine,
  toHit,
  total,
  unfinished,
} from "../state/log";
import { messages } from "../ui/messages";
import { spans } from "./ansi";

const ROW = 17;
const AROUND = 20;
/** Browsers lay out no element higher than some 30 million pixels: longer logs scroll faster than their rows. */
const HIGHEST = 10_000_000;
const LONGEST_LINE = 4000;

interface Shown {
  n: number;
  text: string;
  step?: number | undefined;
}

export function LogView() {
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(200);
  const filtered = onlyWarnings.value;
  const count = filtered ? hits.value.length : (total.value ?? 0) + (unfinished.value === null ? 0 : 1);
  const full = Math.min(count * ROW, HIGHEST);
  const room = Math.max(1, full - height.value);
  const rows = Math.max(0, count - height.value / ROW);
  const first = Math.max(0, Math.floor((Math.min(top.value, room) / room) * rows) - AROUND);
  const shown = range(first, Math.min(count, first + Math.ceil(height.value / ROW) + 2 * AROUND));
  const offset = count * ROW <= HIGHEST ? first * ROW : top.value - AROUND * ROW;

  useEffect(() => {
    const observer = new ResizeObserver(() => (height.value = box.current?.clientHeight ?? 200));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!filtered && shown.length > 0) need(shown[0]! + 1, shown.at(-1)! + 1);
  });
  useEffect(() => {
    if (following.value && !filtered && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [count, height.value, following.value, filtered, logRun.value]);
  useEffect(() => {
    if (goal.value === null || filtered || !box.current) return;
    const share = Math.max(0, goal.value.line - 1 - height.value / ROW / 2) / Math.max(1, rows);
    box.current.scrollTop = share * room;
  }, [goal.value, filtered, total.value === null]);

  const scrolled = (): void => {
    const element = box.current!;
    top.value = element.scrollTop;
    if (!filtered) following.value = element.scrollHeight - element.scrollTop - element.clientHeight < ROW;
  };
  const found = new Set(hits.value.map((hit) => hit.n));
  return (
    <div class="log" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-live="off" aria-label={messages().log}>
      {count === 0 && <p class="empty">{filtered ? messages().noWarnings : messages().noLines}</p>}
      <div style={{ height: `${full}px` }}>
        <div style={{ transform: `translateY(${Math.max(0, offset)}px)` }}>
          {shown.map((index) => {
            const line = lineAt(index, filtered);
            return <Row key={index} line={line} isHit={found.has(line.n)} act={filtered ? leaveFilter : showLine} />;
          })}
        </div>
      </div>
    </div>
  );
}

function leaveFilter(n: number): void {
  onlyWarnings.value = false;
  goTo(n);
}

const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);

function lineAt(index: number, filtered: boolean): Shown {
  if (filtered) return hits.value[index] ?? { n: 0, text: "" };
  const n = index + 1;
  if (n > (total.value ?? 0)) return { n, text: unfinished.value ?? "" };
  return known.value.get(n) ?? { n, text: "" };
}

function Row({ line, isHit, act }: { line: Shown; isHit: boolean; act: (n: number) => void }) {
  const isMarked = marked.value === line.n;
  return (
    <div class={`line${isMarked ? " marked" : ""}${isHit ? " hit" : ""}`} style={{ height: `${ROW}px` }}>
      <button
        class="number"
        tabIndex={-1}
        aria-label={messages().lineToCurves(line.n)}
        title={line.step === undefined ? messages().lineToCurves(line.n) : messages().lineOfStep(line.step)}
        onClick={() => act(line.n)}
      >
        {line.n}
      </button>
      <span class="text" onClick={() => getSelection()?.isCollapsed !== false && act(line.n)}>
        {spans(line.text.slice(0, LONGEST_LINE)).map((span) => (
          <span class={`${span.colour === null ? "" : `c${span.colour}`}${span.bold ? " bold" : ""}`}>{span.text}</span>
        ))}
      </span>
    </div>
  );
}

/** Search, warnings alone, and following: what stands in the header of the drawer. */
export function LogTools() {
  const text = messages();
  const at = hits.value.findIndex((hit) => hit.n === marked.value);
  return (
    <span class="tools">
      <input
        id="log-search"
        type="search"
        placeholder={text.searchLog}
        aria-label={text.searchLog}
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && toHit(event.shiftKey ? -1 : 1)}
      />
      {(query.value !== "" || onlyWarnings.value) && (
        <output class="hits" aria-live="polite">
          {at >= 0 && `${at + 1} / `}
          {hits.value.length.toLocaleString()}
          {searching.value && "…"}
        </output>
      )}
      <button class="plain" aria-label={text.hitBefore} title={text.hitBefore} onClick={() => toHit(-1)}>
        ↑
      </button>
      <button class="plain" aria-label={text.hitAfter} title={text.hitAfter} onClick={() => toHit(1)}>
        ↓
      </button>
      <button aria-pressed={onlyWarnings.value} onClick={() => (onlyWarnings.value = !onlyWarnings.value)}>
        {text.warnings}
      </button>
      <button aria-pressed={following.value} onClick={() => (following.value = !following.value)}>
        {text.follow}
      </button>
    </span>
  );
}
