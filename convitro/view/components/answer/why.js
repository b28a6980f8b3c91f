/** One score taken apart: what the maps add to it, for a class or for one class against another. */

import { filterOf, partsOf, strongestParts } from "../../numbers/answer.js";
import { format, formatTerm } from "../../numbers/format.js";
import { signedScale } from "../../numbers/scale.js";
import { askAgainst } from "../../state/answer.js";
import { live } from "../../state/store.js";
import { html } from "../html.js";
import { MapView } from "../map.js";
import { Part } from "./part.js";

const MOST = 5; // parts on either side
const HOW = {
  flattened: "Every pixel of the last maps times its weight",
  "flattened, channels last": "Every pixel of the last maps times its weight",
  average: "The average of each of the last maps times its weight",
  "largest value": "The largest value of each of the last maps times its weight",
};

export function Why({ document, rows, of, against }) {
  const { parts, reason } = document;
  if (!parts) return html`<h3>The scores</h3><p>${reason}</p>`;
  const found = partsOf(document, of, against);
  const name = (index) => rows.find((row) => row.index === index)?.name ?? `class ${index}`;
  return html`
    <div class="answer-question">
      <h3>Why ${name(of)}?</h3>
      <${Against} rows=${rows} of=${of} against=${against} />
    </div>
    ${reason && html`<p class="muted">${reason}</p>`}
    ${found ? html`<${Parts} document=${document} found=${found} of=${of} against=${against} name=${name} />` : html`<${Missing} />`}`;
}

/** The class to compare with. */
function Against({ rows, of, against }) {
  const others = rows.filter(({ index }) => index !== of);
  if (!others.length) return null;
  return html`<label>and not
    <select value=${against ?? ""} onChange=${({ target }) => askAgainst(target.value === "" ? null : Number(target.value))}>
      <option value="">(compare with a class)</option>
      ${others.map(({ index, name }) => html`<option key=${index} value=${index} selected=${index === against}>${name}</option>`)}
    </select>
  </label>`;
}

function Missing() {
  return live.value
    ? html`<p class="muted" role="status">Taking the score apart …</p>`
    : html`<p class="muted">Of this class only score and share are in this report. Start ${" "}<code>convitro explore</code> to take every score apart.</p>`;
}

function Parts({ document, found, of, against, name }) {
  const { parts } = document;
  const most = strongestParts(found.values, MOST);
  const scale = Math.max(...[...most.up, ...most.down].map((at) => Math.abs(found.values[at])), 0);
  const one = parts.unit;
  const several = (count) => `${count} ${one}${count === 1 ? "" : "s"}`;
  const whole = against === null ? `score of ${name(of)}` : `${name(of)} − ${name(against)}`;
  const list = (places, label) => html`<ol class="answer-list" aria-label=${label}>
    ${places.map((at) => html`<${Part} key=${at} document=${document} at=${at} value=${found.values[at]} scale=${scale} of=${of} against=${against} />`)}
  </ol>`;
  return html`
    <p class="muted">${parts.how ? HOW[parts.how] : "Every feature times its weight"}${parts.has_bias ? ", and a bias" : ""}: layer ${parts.layer || "without a name"}.</p>
    <div class="answer-sum" data-whole=${of}>
      <p class="line"><span>${several(most.ups)} for it</span><b>${formatTerm(most.plus)}</b></p>
      <p class="line"><span>${several(most.downs)} against it</span><b>${formatTerm(most.minus)}</b></p>
      ${parts.kept && html`<p class="line"><span>${parts.count - parts.kept.length} weaker ones</span><b>${formatTerm(found.rest)}</b></p>`}
      ${parts.has_bias && html`<p class="line"><span>bias</span><b>${formatTerm(found.bias)}</b></p>`}
      <p class="line answer-total"><span>${whole}</span><b>= ${format(found.total)}</b></p>
    </div>
    <div class="answer-lists">
      <div><h4>most for it</h4>${most.up.length ? list(most.up, "Most for it") : html`<p class="muted">none</p>`}</div>
      <div><h4>most against it</h4>${most.down.length ? list(most.down, "Most against it") : html`<p class="muted">none</p>`}</div>
    </div>
    <${Places} document=${document} of=${of} against=${against} whole=${whole} />
    <${Origin} parts=${parts} />`;
}

/** What each place of the last maps adds, all maps together. */
function Places({ document, of, against, whole }) {
  const { places } = document.arrays;
  if (!places) return null;
  const [, height, width] = places.shape;
  const row = (index) => document.parts.rows.indexOf(index) * height * width;
  const values = places.values.slice(row(of), row(of) + height * width).map((value, at) => value - (against === null ? 0 : places.values[row(against) + at]));
  return html`<figure class="answer-places">
    <${MapView} values=${values} size=${[height, width]} scale=${signedScale(null, values)} label=${`What each place adds to ${whole}`} marks=${() => []} onPoint=${() => {}} onPin=${() => {}} />
    <figcaption><b>Where it comes from.</b> What each of the ${height} × ${width} places of the last maps adds to ${against === null ? "the " : ""}${whole}, all maps together: the same sum by
      place (a class activation map).</figcaption>
  </figure>`;
}

/** Where the maps come from, in words, where it needs any. */
function Origin({ parts }) {
  if (parts.unit !== "map") return null;
  const origin = filterOf(parts.origins, 0);
  if (!origin) return html`<p class="muted">The last maps are made of several layers' maps, so they belong to no one filter.</p>`;
  if (origin.exact) return null;
  return html`<p class="muted">Each of the last maps is a sum over several layers; the filter that opens is the last one that adds to it, in ${origin.layer}.</p>`;
}
