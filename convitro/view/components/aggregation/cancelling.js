/** How far the channels of the filter cancel out: where, how much of it is chance, and which ones at the pixel. */

import { format, formatShare } from "../../numbers/format.js";
import { pairsAt } from "../../numbers/opposition.js";
import { channelName } from "../../numbers/scale.js";
import { hover, pin, unpin } from "../../state/actions.js";
import { cancellation, subject } from "../../state/aggregations.js";
import { chain, focus, isKept, layer, network } from "../../state/store.js";
import { html } from "../html.js";
import { MapView, pixelMark } from "../map.js";
import { OpposingPairs } from "../pairs.js";
import { Term } from "../term.js";

export function Cancelling() {
  const found = cancellation.value;
  const of = subject.value;
  if (of && !isKept("cancellation", network.value.picture.id, of.layer.name, of.filter)) return null;
  const waits = found?.filter !== of?.filter;
  return html`<section class="cancelling" aria-labelledby="cancelling-title" data-pending=${waits}
    data-filter=${found && `${found.layer}:${found.filter}`}>
    <h3 id="cancelling-title">Do the channels <${Term} word="cancellation">cancel out</${Term}>?</h3>
    <${Found} found=${found} />
  </section>`;
}

/** All of it, at its place also while the numbers are on their way: on narrow screens the cards stand below. */
function Found({ found }) {
  const { output_size: size, channels_per_filter: channels } = layer.value;
  if (channels === 1) return html`<p class="muted">The filter reads one channel: nothing can cancel.</p>`;
  return html`<div class="cancelling-body">
      <figure>
        ${found ? html`<${Where} values=${found.arrays.cancellation.values} size=${size} />` : html`<div class="map absent"></div>`}
        <figcaption class="muted">from 0 % (they agree) to 100 % (nothing is left)</figcaption>
      </figure>
      <div class="cancelling-words">
        <${Overall} ...${found} />
        <${AtPixel} arrays=${found?.arrays} />
      </div>
    </div>
    <details class="cancelling-formula">
      <summary>How this is counted</summary>
      <p>At every pixel: one minus the magnitude of the sum of the partial values, divided by the sum of their magnitudes. For
        the whole filter both are first added up over all pixels.</p>
      <p>Chance: what normally distributed random weights would lose on this same input. At a pixel every channel then
        brings about the length of its patch (the root of the sum of its squares), and their sum the root of the sum of all
        squares: for <i>n</i> channels of equal strength one part in √<i>n</i> is left.</p>
    </details>`;
}

function Where({ values, size }) {
  return html`<${MapView}
    values=${values} size=${size} scale=${{ kind: "diverging", limit: 1 }}
    label="cancellation map, ${size[0]} rows, ${size[1]} columns. Arrow keys move the pixel"
    marks=${() => (here() ? [pixelMark(here())] : [])} onPoint=${hover} onPin=${pin}
    keys=${{ at: () => here() ?? { y: 0, x: 0 }, onHome: unpin }}
  />`;
}

/** The filter's own number beside that of chance, as two bars. */
function Overall({ value, baseline }) {
  const bar = (name, share, words) => html`<div data-bar=${name}>
    <dt>${words}</dt><dd class="number">${share === undefined ? "" : formatShare(share)}</dd>
    <span class="share-bar" style=${{ "--share": share ?? 0 }}></span></div>`;
  return html`<dl class="cancelling-bars">
      ${bar("value", value, "lost in the sum, over all pixels")}
      ${baseline !== null && bar("baseline", baseline, "of random weights on this input")}
    </dl>
    <p class="cancelling-verdict">${value !== undefined && verdict(value, baseline)}</p>`;
}

/** The two numbers in words. */
function verdict(value, baseline) {
  if (baseline === null) return "Windows of this layer are no sums of products: there is no chance level to compare with.";
  const [rest, expected] = [1 - value, 1 - baseline];
  if (rest > 1.15 * expected) return "The channels agree more than by chance: the filter looks for something that shows in many of them.";
  if (rest < expected / 1.15) return "The channels cancel more than by chance: the filter answers to a difference between them.";
  return "About as much as by chance.";
}

function AtPixel({ arrays }) {
  const pixel = here();
  if (!pixel || !arrays) return html`<div class="cancelling-pixel"></div>`;
  const at = pixel.y * layer.value.output_size[1] + pixel.x;
  const [brought, kept, lost] = ["brought", "kept", "cancellation"].map((name) => arrays[name].values[at]);
  const pairs = pairsAt(arrays, pixel).map((pair) => ({ ...pair, up: name(pair.up), down: name(pair.down) }));
  return html`<div class="cancelling-pixel" data-pixel="${pixel.y},${pixel.x}">
    <p class="sentence-place">row ${pixel.y}, column ${pixel.x}</p>
    <p>The channels bring <b class="number" data-number="brought">${format(brought)}</b>, their sum keeps
      ${" "}<b class="number" data-number="kept">${format(kept)}</b>: <b data-number="lost">${formatShare(lost)}</b> is lost.</p>
    <${OpposingPairs} pairs=${pairs} />
  </div>`;
}

function name(channel) {
  return channelName(layer.value, channel);
}

/** The pixel that the page looks at, once it belongs to this layer. */
function here() {
  return chain.value?.layer.name === layer.value.name ? focus.value : null;
}
