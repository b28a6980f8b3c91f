/** Every layer in one table: sizes, costs, what it sees, advice. Sorted by any column, to be taken away. */

import { useEffect } from "preact/hooks";
import { formatCount } from "../../numbers/format.js";
import { chooseLayer } from "../../state/actions.js";
import { network, offline } from "../../state/store.js";
import { asCsv, asJson, COLUMNS, rows, sortBy, sorted, table, tableRefusal } from "../../state/table.js";
import { chooseView } from "../../state/views.js";
import { download } from "../download.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";
import { Waiting } from "../waiting.js";

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function TableView({ loader }) {
  useEffect(() => {
    if (network.value && !table.value) void loader.loadTable();
  }, [network.value?.model, offline.value]);
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  if (!table.value) return html`<${Counting} again=${() => loader.loadTable()} />`;
  const { totals } = table.value;
  const name = network.value.name;
  return html`<section class="view table-view" aria-labelledby="table-title">
    <h2 id="table-title">${name} in numbers</h2>
    <p class="lead"><b>${formatCount(totals.parameters)}</b> parameters, of which ${formatCount(totals.trainable_parameters)} can be
      trained; <b>${formatCount(totals.macs)}</b> MACs for one picture, that is ${formatCount(totals.flops)} FLOPs.</p>
    <p class="table-tools">
      <button type="button" class="keep" onClick=${() => download(`${name}.csv`, asCsv(), "text/csv")}>Save as CSV</button>
      <button type="button" class="keep" onClick=${() => download(`${name}.json`, asJson(), "application/json")}>Save as JSON</button>
    </p>
    <div class="table-scroll" tabindex="0" role="group" aria-label="The table; it scrolls sideways on a narrow screen">
      <table>
        <thead><tr>${COLUMNS.map((column) => html`<${Head} key=${column.key} column=${column} />`)}</tr></thead>
        <tbody>${rows.value.map((row, index) => html`<${Row} key=${`${row.name} ${index}`} row=${row} />`)}</tbody>
      </table>
    </div>
  </section>`;
}

/** What is being done until the table is here: one run, of which nobody can tell how far it is. */
function Counting({ again }) {
  const { name, input_size: size } = network.value;
  const words = html`${name} runs once on an input of ${size.join(" × ")}. Every layer that it passes gets a row: its parameters, its MACs,
    the memory of its output, and how much of the picture one of its units sees.`;
  return html`<${Waiting} title="Counting what each layer costs" words=${words} step="The network is running …" refusal=${tableRefusal.value} again=${again} />`;
}

function Head({ column }) {
  const { key, down } = sorted.value;
  const order = key !== column.key ? "none" : down ? "descending" : "ascending";
  return html`<th scope="col" aria-sort=${order} data-numeric=${Boolean(column.numeric)} data-column=${column.key}>
    <button type="button" title=${column.words} onClick=${() => sortBy(column)}>${column.title}<span aria-hidden="true">${
      { none: "", ascending: " ▴", descending: " ▾" }[order]
    }</span></button>
  </th>`;
}

function Row({ row }) {
  const opens = network.value.layers.some(({ name }) => name === row.name);
  const open = () => {
    chooseLayer(row.name);
    chooseView("filter");
  };
  return html`<tr>
    ${COLUMNS.map((column) => {
      const value = column.of(row);
      const text = typeof value === "number" ? inWords(value) : value;
      const body = column.key === "name" && opens ? html`<button type="button" class="link" onClick=${open}>${text}</button>` : text;
      const title = column.key === "name" ? row.name : undefined;
      return html`<td key=${column.key} title=${title} data-numeric=${Boolean(column.numeric)} data-column=${column.key}>${body}</td>`;
    })}
  </tr>`;
}

/** A count, or a small size with one digit after the point. */
function inWords(value) {
  if (value < 0.1) return "< 0.1";
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : formatCount(Math.round(value));
}
