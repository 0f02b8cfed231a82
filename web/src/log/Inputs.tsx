/** How each input of the run in focus is read, and lines that look like metrics and were not read. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { inputsOf } from "../api/client";
import type { InputHealth } from "../api/types";
import { focused, report, shownRuns } from "../state/page";
import { messages } from "../ui/messages";

const SAMPLES = 5;

export function Inputs() {
  const inputs = useSignal<InputHealth[] | null>(null);
  useSignalEffect(() => {
    const uid = focused.value ?? shownRuns.value[0]?.uid;
    let isOver = false;
    inputs.value = null;
    const take = (answer: InputHealth[]): void => {
      if (!isOver) inputs.value = answer;
    };
    // Lines that were not read take a while to explain: what is known at once comes first.
    if (uid) inputsOf(uid, 0).then(take).then(() => inputsOf(uid, SAMPLES)).then(take).catch(report);
    return () => (isOver = true);
  });
  const text = messages();
  if (inputs.value === null) return <p class="empty">{text.loading}</p>;
  return (
    <ul class="inputs" tabIndex={0} aria-label={text.tabs.inputs}>
      {inputs.value.map((input) => (
        <li key={input.id}>
          <p>
            <b>{input.name}</b> <span class={`status ${input.state}`}>{text.inputState(input.state)}</span>{" "}
            <small>
              {[input.data_source, input.log_format].filter(Boolean).join(" · ")} · {text.inputCounts(input)}
            </small>
          </p>
          {(input.error ?? input.note) && <p class="problem">{input.error ?? input.note}</p>}
          {input.hidden_points > 0 && <p>{text.hidden(input.hidden_points, input.hidden_by.join(", "))}</p>}
          <p>
            <small>{input.why}</small>
          </p>
          {(input.unread ?? []).map((kind) => (
            <details key={kind.line}>
              <summary>
                {text.unread(kind.lines, kind.line)} <code>{kind.example}</code>
              </summary>
              <p>{kind.why}</p>
              {kind.pattern && (
                <>
                  <p>{text.pattern}</p>
                  <pre>{kind.pattern}</pre>
                </>
              )}
            </details>
          ))}
        </li>
      ))}
    </ul>
  );
}
