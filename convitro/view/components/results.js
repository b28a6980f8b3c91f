/** What is made of the partial maps: aggregated, plus bias, normalised and activated, pooled. */

import { format, formatTerm } from "../numbers/format.js";
import { signedScale } from "../numbers/scale.js";
import { clamp, winnerOf } from "../numbers/window.js";
import { hover, pin, unpin } from "../state/actions.js";
import { aggregationWord, chain, place, sharedScale } from "../state/store.js";
import { Comparison } from "./comparison.js";
import { Contributions } from "./contributions.js";
import { html } from "./html.js";
import { Legend } from "./legend.js";
import { MapView } from "./map.js";
import { Sentence } from "./sentence.js";
import { Term } from "./term.js";

const MOST_DOTS = 1024; // more winners than that would cover the map

export function Results() {
  const word = aggregationWord.value;
  return html`<div class="results-column">
    <div class="results">
      <span class="node" data-short=${symbol(word).length === 1} title=${word?.words}>${symbol(word)}</span>
      ${word?.separate ? html`<${KeptApart} />` : html`<${ResultMaps} />`}
      <${Sentence} />
      <${Contributions} />
      <${Comparison} />
    </div>
  </div>`;
}

function ResultMaps() {
  const { layer, document } = chain.value;
  const { arrays, limits, bias } = document;
  const { pixel, pool } = place.value;
  const scale = (values) => signedScale(sharedScale.value ? limits.results : null, values);
  const at = pixel.y * layer.output_size[1] + pixel.x;
  const spot = [{ box: { top: pixel.y, left: pixel.x, height: 1, width: 1 }, kind: "pixel" }];
  const common = { size: layer.output_size, at: pixel, focusable: true, onPoint: hover, onPin: pin, onHome: unpin };
  const [aggregated, activated] = [arrays.aggregated.values, arrays.activated.values];
  const names = stageNames(layer);
  return html`<div class="result-maps">
    <div class="result" data-result="aggregated">
      <h3><${Term} word="aggregated map" /></h3>
      <${MapView} ...${common} values=${aggregated} scale=${scale(aggregated)} marks=${spot} label=${mapLabel("aggregated map", layer.output_size)} />
      <output>${format(aggregated[at])}</output>
    </div>
    <div class="step">
      <span class="operation"><${Term} word="bias">${bias === 0 && !layer.has_bias ? "no bias" : html`<span class="number">${formatTerm(bias)}</span>`}</${Term}></span>
      ${names.map((name) => html`<span class="operation"><${Term} word=${name.word}>${name.text}</${Term}></span>`)}
    </div>
    <div class="result" data-result="activated">
      <h3><${Term} word="feature map" /></h3>
      <${MapView}
        ...${common} values=${activated} scale=${scale(activated)} label=${mapLabel("feature map", layer.output_size)}
        marks=${pool ? [...spot, { box: pool.box, kind: "window" }] : spot} dots=${winners()}
      />
      <output>${format(activated[at])}</output>
    </div>
    <${Pooled} scale=${scale} />
    <${Legend} scale=${sharedScale.value ? { kind: "diverging", limit: limits.results } : null} />
  </div>`;
}

function Pooled({ scale }) {
  const { layer, document } = chain.value;
  const { pool } = place.value;
  const pooled = document.arrays.pooled;
  if (!layer.pool || !pooled) {
    return html`<div class="step" data-empty="true"></div><div class="result" data-empty="true"><h3 class="muted">no pooling</h3><div class="map absent"></div><output></output></div>`;
  }
  const size = layer.pool.output_size;
  const [rows, columns] = layer.pool.kernel_size;
  const mark = pool ? [{ box: { top: pool.cell.y, left: pool.cell.x, height: 1, width: 1 }, kind: "pixel" }] : [];
  return html`
    <div class="step"><span class="operation"><${Term} word="pooling">${layer.pool.mode === "max" ? "max" : "average"} ${rows}×${columns}</${Term}></span></div>
    <div class="result" data-result="pooled">
      <h3><${Term} word="pooling">pooled map</${Term}></h3>
      <${MapView}
        values=${pooled.values} size=${size} scale=${scale(pooled.values)} marks=${mark} focusable=${true} at=${pool?.cell ?? { y: 0, x: 0 }}
        label=${mapLabel("pooled map", size)} onPoint=${(cell) => hover(cell && from(cell))} onPin=${(cell) => pin(from(clamp(cell, size)))} onHome=${unpin}
      />
      <output>${pool ? format(pooled.values[pool.cell.y * size[1] + pool.cell.x]) : ""}</output>
    </div>`;
}

/** The feature-map pixel that stands for a pooled one: the winner, or the middle of the window. */
function from(cell) {
  const { layer, document } = chain.value;
  const { switches } = document.arrays;
  if (switches) return winnerOf(layer.pool, switches.values, cell);
  const { stride, padding, kernel_size: size } = layer.pool;
  const middle = (at, axis) => at * stride[axis] - padding[axis] + Math.floor((size[axis] - 1) / 2);
  return clamp({ y: middle(cell.y, 0), x: middle(cell.x, 1) }, layer.output_size);
}

/** All winners of the pooling, where they can be told apart. */
function winners() {
  const { layer, document } = chain.value;
  const { switches } = document.arrays;
  if (!switches || switches.values.length > MOST_DOTS) return undefined;
  const columns = layer.pool.output_size[1];
  return Array.from(switches.values, (_, at) =>
    winnerOf(layer.pool, switches.values, { y: Math.floor(at / columns), x: at % columns }),
  );
}

function KeptApart() {
  const { layer } = chain.value;
  const [channels, filters] = [layer.channels_per_filter, layer.out_channels];
  return html`<div class="kept-apart">
    <p>Kept apart, the partial maps are the result: this filter would hand on <b>${channels}</b> maps instead of one,
      and the layer ${filters} × ${channels} = <b>${filters * channels}</b>.</p>
    <p class="muted">A next layer with as many filters would make ${filters} × ${filters * channels}: that is why the maps are combined.</p>
  </div>`;
}

/** What happens between the aggregated map and the feature map, besides the bias. */
function stageNames(layer) {
  const stages = layer.stages.filter(({ kind }) => kind !== "pool");
  return stages.map(({ kind, words }) => ({ word: kind, text: kind === "normalization" ? "BatchNorm" : pretty(words) }));
}

function pretty(words) {
  return words === "relu" ? "ReLU" : words.replace("(none)", "");
}

const SYMBOLS = { sum: "Σ", product: "Π", none: "⋮", std: "σ", maxabs: "|max|", logsumexp: "LSE", logmeanexp: "LME" };

/** An aggregation in at most five characters, for the node; its full name stands above. */
function symbol(word) {
  return word ? SYMBOLS[word.name] ?? word.name.slice(0, 4) : "";
}

function mapLabel(name, [height, width]) {
  return `${name}, ${height} rows, ${width} columns. Arrow keys move the pixel`;
}
