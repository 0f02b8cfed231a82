/** What happened in the run in focus, by time; a click leads to its moment. */

import { number } from "../panels/format";
import { events, showEvent } from "../state/events";
import { messages } from "../ui/messages";

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

export function Events() {
  const text = messages();
  const known = events.value;
  if (!known?.list) return <p class="empty">{text.loading}</p>;
  if (known.list.length === 0) return <p class="empty">{text.noEvents}</p>;
  return (
    <ul class="events" tabIndex={0} aria-label={text.tabs.events}>
      {known.list.map((event) => (
        <li key={`${event.time} ${event.kind} ${event.metric} ${event.iteration}`}>
          <button class="plain" onClick={() => showEvent(known.uid, event)}>
            <span class={`kind ${event.kind}`}>{text.eventKind(event.kind)}</span>
            <time>{when.format(event.time)}</time>
            <span>{event.iteration !== null && event.iteration.toLocaleString()}</span>
            <span>{event.value !== null && number(event.value)}</span>
            <span class="what">{event.text}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
