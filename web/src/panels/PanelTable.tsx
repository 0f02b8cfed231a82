/** The values of a panel as a table, for those who read or hear them rather than see a curve. */

import type { Panel } from "../api/types";
import { axis } from "../state/page";
import { messages } from "../ui/messages";
import { gridOf } from "./chart";
import { number, place } from "./format";

export function PanelTable({ panel, names }: { panel: Panel; names: ReadonlyMap<string, string> }) {
  const grid = gridOf(panel);
  const filled = grid
    .map((x, bin) => ({ x, bin }))
    .filter(({ bin }) => panel.series.some((series) => series.middle[bin] !== null));
  return (
    <div class="table" tabIndex={0} role="region" aria-label={`${messages().table}: ${panel.metric}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{messages().axes[axis.value]}</th>
            {panel.series.map((series) => (
              <th key={`${series.run} ${series.source}`} scope="col">
                {names.get(series.run) ?? series.run} <small>{series.source}</small>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {filled.map(({ x, bin }) => (
            <tr key={bin}>
              <th scope="row">{place(x, axis.value)}</th>
              {panel.series.map((series) => (
                <td key={`${series.run} ${series.source}`}>{range(series, bin)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The mean of a bin, with its least and greatest value where they differ as printed. */
function range(series: Panel["series"][number], bin: number): string {
  const [low, mean, high] = [series.low, series.middle, series.high].map((side) => number(side[bin]));
  return low === high ? mean! : `${mean} (${low} … ${high})`;
}
