/** How the list of runs is ordered and grouped, and what stands beside each run. */

import { column, columnKey, columnOf, FOLDER, groupBy, names, type Order, order, showBest, type Side } from "../state/table";
import { messages } from "../ui/messages";

const SIDES: readonly Side[] = ["last", "min", "max"];
const ORDERS: readonly Order[] = ["recent", "name", "up", "down"];

export function TableTools() {
  const text = messages();
  return (
    <div class="table-tools">
      <select
        aria-label={text.column}
        title={text.column}
        value={columnKey(column.value)}
        onChange={(event) => (column.value = columnOf(event.currentTarget.value))}
      >
        <option value="">{text.mainMetric}</option>
        {names.value.metrics.flatMap((name) =>
          SIDES.map((side) => (
            <option key={`${side}:${name}`} value={`${side}:${name}`}>
              {text.sides[side]} {name}
            </option>
          )),
        )}
        {names.value.settings.map((name) => (
          <option key={`config:${name}`} value={`config:${name}`}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label={text.order}
        title={text.order}
        value={order.value}
        onChange={(event) => (order.value = event.currentTarget.value as Order)}
      >
        {ORDERS.map((name) => (
          <option key={name} value={name}>
            {text.orders[name]}
          </option>
        ))}
      </select>
      <select
        aria-label={text.group}
        title={text.group}
        value={groupBy.value}
        onChange={(event) => (groupBy.value = event.currentTarget.value)}
      >
        <option value="">{text.noGroups}</option>
        <option value={FOLDER}>{text.byName}</option>
        {names.value.settings.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <button title={text.bestOf} onClick={showBest}>
        {text.best}
      </button>
    </div>
  );
}
