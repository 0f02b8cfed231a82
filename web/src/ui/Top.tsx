/** The bar at the top: search, x axis, y scale, smoothing, and whether the page is live. */

import { lostAt } from "../api/live";
import type { Axis } from "../api/types";
import { axis, helpOpen, logScale, range, search, smoothing, zoomOut } from "../state/page";
import { CopyLink } from "./CopyLink";
import { messages } from "./messages";

const AXES: readonly Axis[] = ["step", "time", "relative"];

export function Top() {
  const text = messages();
  return (
    <header class="top">
      <h1>lensd</h1>
      <input
        id="search"
        type="search"
        placeholder={text.search}
        aria-label={text.search}
        value={search.value}
        onInput={(event) => (search.value = event.currentTarget.value)}
      />
      <span class="choice" role="group">
        {AXES.map((name) => (
          <button key={name} aria-pressed={axis.value === name} onClick={() => changeAxis(name)}>
            {text.axes[name]}
          </button>
        ))}
      </span>
      <button aria-pressed={logScale.value} onClick={() => (logScale.value = !logScale.value)}>
        {text.logScale}
      </button>
      <label class="smoothing">
        {text.smoothing}
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing.value}
          onChange={(event) => (smoothing.value = Number(event.currentTarget.value))}
        />
        <output>{smoothing.value.toFixed(2)}</output>
      </label>
      {range.value && <button onClick={() => zoomOut(true)}>{text.allOfIt}</button>}
      <CopyLink />
      <span class={lostAt.value === null ? "live" : "live lost"} title={text.live}>
        ● {text.live}
      </span>
      <button class="plain" aria-expanded={helpOpen.value} aria-label={text.help} onClick={() => (helpOpen.value = !helpOpen.value)}>
        ?
      </button>
      {helpOpen.value && (
        <dl class="help">
          {text.keys.map(([key, what]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      )}
    </header>
  );
}

/** A range of one axis means nothing on another. */
export function changeAxis(name: Axis): void {
  if (axis.value === name) return;
  zoomOut(true);
  axis.value = name;
}
