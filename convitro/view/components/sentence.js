/** The arithmetic of the pixel, line by line in numbers; it is also what a screen reader hears. */

import { useEffect } from "preact/hooks";
import { format, formatTerm } from "../numbers/format.js";
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
  const terms = combined(partialValues.value, layer.channels_per_filter, document.aggregation);
  if (word.separate) return [{ kind: "terms", text: terms, result: "kept apart" }];
  const lines = [{ kind: "aggregated", text: terms, result: `= ${value("aggregated")}` }];
  if (layer.has_bias) {
    lines.push({
      kind: "output",
      text: `${value("aggregated")} ${formatTerm(bias)} bias`,
      result: `= ${value("output")}`,
    });
  }
  const stages = layer.stages.filter(({ kind }) => kind !== "pool").map(({ words }) => words);
  if (stages.length) {
    lines.push({
      kind: "activated",
      text: `${stages.join(", then ")} of ${value("output")}`,
      result: `= ${value("activated")}`,
    });
  }
  if (pool && layer.pool.mode === "max") {
    const text = `largest of its ${layer.pool.kernel_size.join(" × ")} window`;
    lines.push({ kind: "pooled", text, result: pool.wins ? "yes: it goes on" : "no: another goes on" });
  }
  return lines;
}

/** The partial values as they are combined: "0.2 + 0.1 − 0.3", or "max of 0.2, 0.1, −0.3". */
function combined(terms, count, spec) {
  const shown = terms.slice(0, MOST_TERMS);
  const more = count > shown.length ? `… ${count - shown.length} more` : "";
  if (spec === "sum") {
    const sum = shown.map((value, index) => (index ? formatTerm(value) : format(value))).join(" ");
    return more ? `${sum} + ${more}` : sum;
  }
  return `${spec} of ${shown.map(format).join(", ")}${more && `, ${more}`}`;
}
