/** The chosen filter at the start and now: its kernels, its map, and what the network said. */

import { mapOf } from "../../data/document.js";
import { difference } from "../../numbers/arithmetic.js";
import { format, formatShare } from "../../numbers/format.js";
import { channelName, limitOf, signedScale } from "../../numbers/scale.js";
import { stepFilter } from "../../state/actions.js";
import { filterIndex, layer } from "../../state/store.js";
import { current, epochs, shown } from "../../state/training.js";
import { html } from "../html.js";
import { MapView } from "../map.js";
import { Matrix } from "../matrix.js";
import { Term } from "../term.js";
import { KernelPicture } from "./kernels.js";
import { MovedLine, movedAt } from "./moved.js";
import { named } from "./slider.js";

const WITH_NUMBERS = { kernels: 3, side: 5 };

export function CloseUp() {
  const documents = shown.value;
  const here = documents?.filter.layer === layer.value.name && documents.filter.filter === filterIndex.value;
  return html`<section class="training-part closeup" aria-labelledby="layer-name" data-epoch=${here ? documents.filter.epoch : ""}>
    <div class="layer-headline">
      <h3 id="layer-name"><span class="muted">layer</span> ${layer.value.name} <span class="muted">filter</span> ${filterIndex}</h3>
      <span class="stepper">
        <button type="button" class="quiet round" aria-label="Previous filter" title="Previous filter (k)" onClick=${() => stepFilter(-1)}>‹</button>
        <button type="button" class="quiet round" aria-label="Next filter" title="Next filter (j)" onClick=${() => stepFilter(1)}>›</button>
      </span>
    </div>
    <div class="closeup-parts">
      ${
        here
          ? html`<${Change} start=${documents.filterStart.arrays.kernels} now=${documents.filter.arrays.kernels} />
            ${documents.filter.arrays.map && html`<${Map} document=${documents.filter} />`}
            <${Facts} document=${documents.filter} prediction=${documents.now.prediction} />`
          : html`<div class="closeup-wait" aria-busy="true"></div>`
      }
    </div>
  </section>`;
}

/** The kernels at the start, now, or what training added; the first two on one scale. */
function Kernels({ kernels, limit, kind, words }) {
  const [count, rows, columns] = kernels.shape;
  const { raw_input: raw, in_channels: channels } = layer.value;
  const inColour = raw && channels === 3;
  const small = count <= WITH_NUMBERS.kernels && Math.max(rows, columns) <= WITH_NUMBERS.side;
  const scale = signedScale(limit || 1, []);
  return html`<figure class="closeup-kernels" data-kind=${kind} data-small=${small}>
    <figcaption>${words}</figcaption>
    ${(inColour || !small) && html`<${KernelPicture} kernels=${kernels} limit=${limit} coloured=${inColour} label="${words}: ${inColour ? "the filter in colours" : `${count} kernels`}" />`}
    ${
      small &&
      html`<div class="closeup-matrices" data-count=${count}>${Array.from({ length: count }, (_, index) => html`<${Matrix}
        key=${index} size=${[rows, columns]} large=${count === 1} label="${words}: kernel of ${channelName(layer.value, index)}"
        read=${() => ({ values: mapOf(kernels, index), scale })}
      />`)}</div>`
    }
  </figure>`;
}

/** Start, now and the difference. */
function Change({ start, now }) {
  const limit = Math.max(limitOf(start.values), limitOf(now.values));
  const added = difference(now, start);
  return html`<${Kernels} kernels=${start} limit=${limit} kind="start" words=${named(epochs.value[0])} />
    <span class="closeup-sign" aria-hidden="true">+</span>
    <${Kernels} kernels=${added} limit=${limitOf(added.values)} kind="added" words="What training added" />
    <span class="closeup-sign" aria-hidden="true">=</span>
    <${Kernels} kernels=${now} limit=${limit} kind="now" words=${named(current.value)} />`;
}

function Map({ document }) {
  const { map } = document.arrays;
  return html`<figure class="closeup-map">
    <figcaption>Its <${Term} word="feature map" /></figcaption>
    <${MapView} values=${map.values} size=${map.shape} scale=${signedScale(document.map_limit || 1, [])}
      label="Feature map of filter ${document.filter}, ${named(document.epoch)}" marks=${() => []} onPoint=${() => {}} onPin=${() => {}} />
  </figure>`;
}

function Facts({ document, prediction }) {
  const value = movedAt(document.filter, current.value);
  return html`<div class="closeup-facts">
    ${
      value !== null &&
      html`<p class="closeup-moved"><${MovedLine} filter=${document.filter} width=${150} height=${36} />
        <span>moved by <b class="number" data-fact="moved">${format(value)}</b>
        ${" "}<span class="muted" title="‖w − w₀‖ / ‖w₀‖: the length of the change, with its length at the start as 1">of its length</span></span></p>`
    }
    ${document.bias !== null && html`<p>its <${Term} word="bias" /> <b class="number" data-fact="bias">${format(document.bias)}</b></p>`}
    ${prediction.length > 0 && html`<${Said} prediction=${prediction} />`}
  </div>`;
}

/** What the network of that epoch said of the picture. */
function Said({ prediction }) {
  return html`<div class="closeup-said"><p>what the network then said</p>
    <ol>${prediction.slice(0, 3).map(({ index, name, share }) => html`<li key=${index}>
      <span>${name}</span> <span class="number">${formatShare(share)}</span></li>`)}</ol>
  </div>`;
}
