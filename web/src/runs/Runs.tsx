/** The list of runs: rows of one height, of which only those in sight are in the document. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Fact, Run } from "../api/types";
import { colours } from "../panels/colours";
import { number } from "../panels/format";
import { focused, listedRuns, shownRuns, toggleRun } from "../state/page";
import { cell, column, columnKey, rows as listedRows } from "../state/table";
import { age } from "../ui/age";
import { messages } from "../ui/messages";
import { Sparkline } from "./Sparkline";
import { TableTools } from "./TableTools";

const ROW = 38;
const AROUND = 5;

export function Runs() {
  const list = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  useEffect(() => {
    const observer = new ResizeObserver(() => (height.value = list.current?.clientHeight ?? 600));
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  const all = listedRows.value;
  const shown = shownRuns.value.map((run) => run.uid);
  const palette = colours(shown);
  const first = Math.max(0, Math.floor(top.value / ROW) - AROUND);
  const inSight = all.slice(first, first + Math.ceil(height.value / ROW) + 2 * AROUND);
  return (
    <nav class="runs" aria-label={messages().runs}>
      <header>
        {messages().runs} <small>{shown.length} / {listedRuns.value.length}</small>
      </header>
      <TableTools />
      <div class="list" ref={list} onScroll={() => (top.value = list.current?.scrollTop ?? 0)}>
        <ul style={{ height: `${all.length * ROW}px`, paddingTop: `${first * ROW}px` }}>
          {inSight.map((row) =>
            "run" in row ? (
              <RunRow key={row.run.uid} run={row.run} colour={palette.get(row.run.uid)} />
            ) : (
              <li key={`group ${row.group}`} class="group" style={{ height: `${ROW}px` }}>
                {row.group} <small>{row.size}</small>
              </li>
            ),
          )}
        </ul>
      </div>
    </nav>
  );
}

function RunRow({ run, colour }: { run: Run; colour: string | undefined }) {
  const done = run.status === "running" && run.target && run.step !== null ? Math.min(1, run.step / run.target) : null;
  return (
    <li class={focused.value === run.uid ? "run focused" : "run"} style={{ height: `${ROW}px` }}>
      <button
        class="dot"
        aria-pressed={colour !== undefined}
        aria-label={`${messages().show} ${run.name}`}
        title={messages().toggle}
        onClick={(event) => toggleRun(run.uid, event.altKey)}
      >
        <i style={{ background: colour ?? "transparent", borderColor: colour ?? "var(--soft)" }} />
      </button>
      <button class="name" title={`${run.name}\n${run.framework ?? ""}`} onClick={() => (focused.value = run.uid)}>
        <b>{run.name}</b>
        <small>
          {run.warnings.length > 0 && (
            <span class="warning" title={run.warnings.join("\n")} role="img" aria-label={messages().hasWarnings}>
              ⚠{" "}
            </span>
          )}
          <span class={`status ${run.status}`}>{messages().status(run.status)}</span>
          {run.step !== null && ` · ${run.step.toLocaleString()}${run.target ? ` / ${run.target.toLocaleString()}` : ""}`}
          {run.updated_at !== null && ` · ${age(run.updated_at)}`}
        </small>
      </button>
      <span class="main">
        <Sparkline values={run.spark} colour={colour ?? "#8a939e"} />
        <small title={columnKey(column.value) || (run.metric ?? "")}>{shownValue(cell(run))}</small>
      </span>
      {done !== null && <span class="progress" style={{ width: `${done * 100}%`, background: colour ?? "var(--soft)" }} />}
    </li>
  );
}

const shownValue = (value: Fact): string => (typeof value === "string" || typeof value === "boolean" ? String(value) : number(value));
