/** The arithmetic of the pixel in numbers, line by line; it is also what a screen reader hears. */

import { useEffect } from "preact/hooks";
import { format, formatTerm } from "../../numbers/format.js";
import { playParts, playPlace, pointed, reached, result, setting } from "../../state/play.js";
import { announcement } from "../../state/store.js";
import { html } from "../html.js";

const SPEAK_AFTER_MS = 400; // so that a held arrow key does not queue up speech
const MOST_PRODUCTS = 9;

export function PlaySentence() {
  const place = playPlace.value;
  const lines = place ? arithmetic(place) : [];
  const where = place ? `row ${place.pixel.y}, column ${place.pixel.x}` : "";
  const spoken = `${where}: ${lines.map(({ text, result: found }) => `${text} ${found}`).join("; ")}`;
  useEffect(() => {
    if (pointed.value || reached.value !== null) return undefined; // pointing and sliding are for eyes; keys and clicks speak
    const timer = setTimeout(() => (announcement.value = spoken), SPEAK_AFTER_MS);
    return () => clearTimeout(timer);
  }, [spoken]);
  if (!place) return null;
  return html`<div class="sentence" data-pixel="${place.pixel.y},${place.pixel.x}">
    <p class="sentence-place">${where}</p>
    ${lines.map(({ kind, text, result: found }) => html`<p class="line" data-line=${kind}><span>${text}</span><b>${found}</b></p>`)}
  </div>`;
}

/** The steps from the products to the pooled pixel, each with its result. */
function arithmetic({ pixel, pool }) {
  const { layer, aggregated, activated, pool: geometry } = result.value;
  const { aggregation, bias, activation } = setting.value;
  const at = pixel.y * layer.output_size[1] + pixel.x;
  const parts = playParts.value;
  const lines = [];
  if (parts.length === 1) lines.push({ kind: "aggregated", text: added(parts[0].product), result: `= ${format(aggregated[at])}` });
  else {
    const values = parts.map(({ value }) => value);
    const text = aggregation === "sum" ? terms(values) : `${aggregation} of ${values.map(format).join(", ")}`;
    lines.push({ kind: "aggregated", text, result: `= ${format(aggregated[at])}` });
  }
  const before = Math.fround(aggregated[at] + bias);
  if (bias) lines.push({ kind: "output", text: `${format(aggregated[at])} ${formatTerm(bias)} bias`, result: `= ${format(before)}` });
  if (activation === "relu") lines.push({ kind: "activated", text: `ReLU of ${format(before)}`, result: `= ${format(activated[at])}` });
  if (pool) {
    const result = pool.wins ? "yes: it goes on" : "no: another goes on";
    lines.push({ kind: "pooled", text: `largest of its ${geometry.kernel_size.join(" × ")} window`, result });
  }
  return lines;
}

/** "0.2 + 0.1 − 0.3" of the products of a small kernel; the zeros say nothing. */
function added(product) {
  const counting = Array.from(product).filter((value) => value !== 0);
  if (counting.length === 0) return "all products are 0";
  return counting.length <= MOST_PRODUCTS ? terms(counting) : `the sum of ${product.length} products`;
}

function terms(values) {
  return values.map((value, index) => (index ? formatTerm(value) : format(value))).join(" ");
}
