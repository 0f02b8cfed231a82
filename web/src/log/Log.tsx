/** The log of the focused run, as it is written: the last lines first, following until somebody scrolls up. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { socketAddress } from "../api/client";
import { drawerOpen, focused, shownRuns } from "../state/page";
import { messages } from "../ui/messages";
import { spans } from "./ansi";

const TAIL = 500;
const MOST_LINES = 5000;
const LONGEST_LINE = 4000;

export function Log() {
  const uid = focused.value ?? shownRuns.value[0]?.uid ?? null;
  const lines = useSignal<string[]>([]);
  const note = useSignal("");
  const following = useSignal(true);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    lines.value = [];
    note.value = "";
    if (!uid) return;
    const address = socketAddress(`api/runs/${encodeURIComponent(uid)}/logs/ws`, new URLSearchParams({ tail: String(TAIL) }));
    const socket = new WebSocket(address);
    let waiting: string[] = [];
    let frame = 0;
    // Lines come one message each: they are put into the document together, once a frame.
    const show = (): void => {
      frame = 0;
      lines.value = [...lines.value, ...waiting].slice(-MOST_LINES);
      waiting = [];
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      waiting.push(message.data);
      frame ||= requestAnimationFrame(show);
    };
    socket.onclose = (event) => {
      if (event.reason) note.value = event.reason;
    };
    return () => {
      cancelAnimationFrame(frame);
      socket.onclose = null;
      socket.close();
    };
  }, [uid]);

  useEffect(() => {
    if (following.value && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.value, following.value]);

  const scrolled = (): void => {
    const element = box.current!;
    following.value = element.scrollHeight - element.scrollTop - element.clientHeight < 20;
  };
  return (
    <aside class="drawer" aria-label={messages().log}>
      <header>
        {messages().log} <b>{uid}</b>
        {!following.value && (
          <button onClick={() => (following.value = true)}>{messages().follow}</button>
        )}
        <button class="plain close" aria-label={messages().close} onClick={() => (drawerOpen.value = false)}>
          ×
        </button>
      </header>
      <div class="log" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-live="off">
        {lines.value.length === 0 && <p class="empty">{note.value || messages().noLines}</p>}
        {lines.value.map((line, index) => (
          <div key={index}>
            {spans(line.slice(0, LONGEST_LINE)).map((span) => (
              <span class={`${span.colour === null ? "" : `c${span.colour}`}${span.bold ? " bold" : ""}`}>{span.text}</span>
            ))}
          </div>
        ))}
      </div>
    </aside>
  );
}
