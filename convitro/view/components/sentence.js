/** The arithmetic of the pixel, line by line in numbers; it is also what a screen reader hears. */

import { useEffect } from "preact/hooks";
import { format, formatTerm } from "../numbers/format.js";
import { averageText, maxText, poolValues, stageLines } from "../numbers/stages.js";
import { winnerOf } from "../numbers/window.js";
import { partialValues } from "../state/parts.js";
import { announcement, chain, hovered, place, reached } from "../state/store.js";
import { html } from "./html.js";

const MOST_TERMS = 5;
const SPEAK_AFTER_MS = 400; // so that a held arrow key does not queue up speech

export function Sentence() {
  const { pixel } = place.value;
  const lines = arithmetic();
  const spoken = `row ${pixel.y}, column ${pixel.x}: ${lines.map(({ text, result }) => `${text} ${result}`).join("; ")}`;
  useEffect(() => {
    if (hovered.value || reached.value !== null) return undefined; // pointing and sliding are for eyes; keys and clicks speak
    const timer = setTimeout(() => (announcement.value = spoken), SPEAK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [spoken]);
  return html`<div class="sentence" data-pixel="${pixel.y},${pixel.x}">
    <p class="sentence-place">row ${pixel.y}, column ${pixel.x}</p>
    ${lines.map(({ kind, text, result }) => html`<p class="line" data-line=${kind}><span>${text}</span><b>${result}</b></p>`)}
  </div>`;
}

/** The steps from the partial values to the pooled pixel, each with its result. */
function arithmetic() {
  const { layer, document, word } = chain.value;
  const { arrays, bias } = document;
  const { pixel, pool } = place.value;
  const at = pixel.y * layer.output_size[1] + pixel.x;
  const value = (name) => format(arrays[name].values[at]);
  const terms = combined(partialValues.value, layer.channels_per_filter, word.separate ? "" : document.aggregation);
  if (word.separate) return [{ kind: "terms", text: terms, result: "kept apart" }];
  const lines = [{ kind: "aggregated", text: terms, result: `= ${value("aggregated")}` }];
  if (layer.has_bias) {
    lines.push({
      kind: "output",
      text: `${value("aggregated")} ${formatTerm(bias)} bias`,
      result: `= ${value("output")}`,
    });
  }
  return [...lines, ...stagesOf(at), ...(pool ? poolingOf(pool) : [])];
}

/** BatchNorm and activation, each written out where it can be; the last result is the library's own. */
function stagesOf(at) {
  const { layer, document } = chain.value;
  const stages = layer.stages.filter(({ kind }) => kind !== "pool");
  if (!stages.length) return [];
  const [before, after] = [document.arrays.output.values[at], document.arrays.activated.values[at]];
  const lines = stageLines(stages, before, document.constants);
  const words = stages.map(({ words: each }) => each).join(", then ");
  if (!lines) return [{ kind: "activated", text: `${words} of ${format(before)}`, result: `= ${format(after)}` }];
  return lines.map(({ kind, text, value }, index) => {
    const last = index === lines.length - 1;
    return { kind: last ? "activated" : kind, text, result: `= ${format(last ? after : value)}` };
  });
}

/** The numbers of the pooling's window, as it sees them, and which of them goes on. */
function poolingOf({ cell, wins }) {
  const { layer, document } = chain.value;
  const { arrays, constants } = document;
  const place = layer.stages.findIndex(({ kind }) => kind === "pool");
  const [before, after] = [layer.stages.slice(0, place), layer.stages.slice(place + 1)];
  const computed = (at) => stageLines(before, arrays.output.values[at], constants)?.at(-1)?.value ?? arrays.output.values[at];
  const { values, complete } = poolValues(layer.pool, layer.output_size, cell, after.length ? computed : (at) => arrays.activated.values[at]);
  const result = `= ${format(arrays.pooled.values[cell.y * layer.pool.output_size[1] + cell.x])}`;
  const then = after.length ? `${after.map(({ words }) => words).join(", then ")} of ` : "";
  if (layer.pool.mode !== "max") return complete ? [{ kind: "window", text: `${then}${averageText(values)}`, result }] : [];
  const winner = winnerOf(layer.pool, arrays.switches.values, cell);
  const switched = arrays.switches.values[cell.y * layer.pool.output_size[1] + cell.x];
  const where = `the switch is ${switched}: row ${winner.y}, column ${winner.x}`;
  return [
    { kind: "window", text: `${then}${maxText(values)}`, result },
    { kind: "pooled", text: where, result: wins ? "yes: it goes on" : "no: another goes on" },
  ];
}

/** The partial values as they are combined: "0.2 + 0.1 − 0.3", or "max of 0.2, 0.1, −0.3"; kept apart they are only listed. */
function combined(terms, count, spec) {
  const shown = terms.slice(0, MOST_TERMS);
  const more = count > shown.length ? `… ${count - shown.length} more` : "";
  if (spec === "sum") {
    const sum = shown.map((value, index) => (index ? formatTerm(value) : format(value))).join(" ");
    return more ? `${sum} + ${more}` : sum;
  }
  return `${spec && `${spec} of `}${shown.map(format).join(", ")}${more && `, ${more}`}`;
}
