/** What is made of the partial maps: aggregated, plus bias, normalised and activated, pooled. */

import { format, formatTerm } from "../numbers/format.js";
import { signedScale } from "../numbers/scale.js";
import { clamp, pooledTo, shownTo, winnerOf } from "../numbers/window.js";
import { hover, pin, unpin } from "../state/actions.js";
import { chain, place, reached, sharedScale } from "../state/store.js";
import { Comparison } from "./comparison.js";
import { Contributions } from "./contributions.js";
import { html } from "./html.js";
import { Legend } from "./legend.js";
import { MapView, pixelMark } from "./map.js";
import { ResultsColumn } from "./resultscolumn.js";
import { SideBySide } from "./sidebyside.js";
import { Sentence } from "./sentence.js";
import { Term } from "./term.js";

const RESULT_NAMES = { aggregated: "aggregated map", activated: "feature map" };
const MOST_DOTS = 1024; // more winners than that would cover the map

export function Results() {
  const { word } = chain.value;
  return html`<${ResultsColumn}>
    <span class="node" data-short=${symbol(word).length === 1} title=${word.words}>${symbol(word)}</span>
    ${word.separate ? html`<${KeptApart} />` : html`<${ResultMaps} />`}
    <${Sentence} />
    <${Contributions} />
    <${Comparison} />
    <${SideBySide} />
  </${ResultsColumn}>`;
}

function ResultMaps() {
  const { layer, document } = chain.value;
  const { arrays, limits, bias } = document;
  const [aggregated, activated] = [arrays.aggregated.values, arrays.activated.values];
  const here = () => pixelMark(place.value.pixel);
  const pooled = () => (place.value.pool ? [{ box: place.value.pool.box, kind: "window" }] : []);
  return html`<div class="result-maps">
    <${Result} name="aggregated" values=${aggregated} marks=${() => [here()]}><${Term} word="aggregated map" /></${Result}>
    <div class="step">
      <span class="operation">
        <${Term} word="bias">${layer.has_bias ? html`<span class="number">${formatTerm(bias)}</span>` : "no bias"}</${Term}>
      </span>
      ${stageNames(layer).map(({ word, text }) => html`<span class="operation"><${Term} word=${word}>${text}</${Term}></span>`)}
    </div>
    <${Result} name="activated" values=${activated} dots=${winners()} marks=${() => [here(), ...pooled()]}>
      <${Term} word="feature map" />
    </${Result}>
    <${Pooled} />
    <${Legend} scale=${sharedScale.value ? { kind: "diverging", limit: limits.results } : null} />
  </div>`;
}

/** One of the maps at the layer's own size: its name, its picture, its number at the pixel. */
function Result({ name, values, marks, dots, children }) {
  const { layer, document } = chain.value;
  const [height, width] = layer.output_size;
  return html`<div class="result" data-result=${name}>
    <h3>${children}</h3>
    <${MapView}
      values=${shownTo(reached.value, values)} size=${layer.output_size} scale=${signedScale(sharedScale.value ? document.limits.results : null, values)}
      label=${mapLabel(RESULT_NAMES[name], [height, width])} marks=${marks} dots=${reached.value === null ? dots : undefined} onPoint=${hover} onPin=${pin}
      keys=${{ at: () => place.value.pixel, onHome: unpin }}
    />
    <${Value} read=${({ pixel }) => values[pixel.y * width + pixel.x]} />
  </div>`;
}

/** A number at the pixel, alone, because it follows the pointer. */
function Value({ read }) {
  const value = read(place.value);
  return html`<span class="value">${value === undefined ? "" : format(value)}</span>`;
}

function Pooled() {
  const { layer, document } = chain.value;
  const pooled = document.arrays.pooled;
  if (!layer.pool || !pooled) {
    return html`<div class="step" data-empty="true"></div>
      <div class="result" data-empty="true"><h3 class="muted">no pooling</h3><div class="map absent"></div></div>`;
  }
  const { values } = pooled;
  const { output_size: size, kernel_size: window, mode } = layer.pool;
  const scale = signedScale(sharedScale.value ? document.limits.results : null, values);
  return html`
    <div class="step"><span class="operation"><${Term} word="pooling">${mode} ${window.join("×")}</${Term}></span></div>
    <div class="result" data-result="pooled">
      <h3><${Term} word="pooling">pooled map</${Term}></h3>
      <${MapView}
        values=${pooledTo(reached.value, values, layer, layer.pool)} size=${size} scale=${scale} label=${mapLabel("pooled map", size)}
        marks=${() => (place.value.pool ? [pixelMark(place.value.pool.cell)] : [])}
        onPoint=${(cell) => hover(cell && from(cell))} onPin=${(cell) => pin(from(clamp(cell, size)))}
        keys=${{ at: () => place.value.pool?.cell ?? { y: 0, x: 0 }, onHome: unpin }}
      />
      <${Value} read=${({ pool }) => (pool ? values[pool.cell.y * size[1] + pool.cell.x] : undefined)} />
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
  const trained = layer.separate;
  return html`<div class="kept-apart">
    <p>Kept apart, the partial maps are the result: this filter ${trained ? "hands" : "would hand"} on <b>${channels}</b> maps instead of one,
      and the layer ${filters} × ${channels} = <b>${filters * channels}</b>.</p>
    <p class="muted">A next layer with as many filters would make ${filters} × ${filters * channels}: that is why the maps
      are ${trained && "nearly always"} combined.</p>
  </div>`;
}

/** What happens between the aggregated map and the feature map, besides the bias. */
function stageNames(layer) {
  const stages = layer.stages.filter(({ kind }) => kind !== "pool");
  return stages.map(({ kind, words }) => ({
    word: kind,
    text: kind === "normalization" ? "BatchNorm" : pretty(words),
  }));
}

const SPELLED = { relu: "ReLU", relu6: "ReLU6", prelu: "PReLU", elu: "ELU", gelu: "GELU", silu: "SiLU" };

function pretty(words) {
  return SPELLED[words] ?? words;
}

const SYMBOLS = { sum: "Σ", product: "Π", none: "⋮", std: "σ", maxabs: "|max|", logsumexp: "LSE", logmeanexp: "LME" };

/** An aggregation in at most five characters, for the node; its full name stands above. */
function symbol(word) {
  return SYMBOLS[word.name] ?? word.name.slice(0, 4);
}

function mapLabel(name, [height, width]) {
  return `${name}, ${height} rows, ${width} columns. Arrow keys move the pixel`;
}
