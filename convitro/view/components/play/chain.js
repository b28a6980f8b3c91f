/** How the result comes about: every channel with its kernel, their partial maps, and what is made of them. */

import { format, formatTerm } from "../../numbers/format.js";
import { signedScale } from "../../numbers/scale.js";
import { outputNear } from "../../numbers/window.js";
import {
  editing, keepPixel, limits, picture, playParts, playPlace, pointed, productsLimit, result, setting, shareKernel, shownPart, shownPooled,
} from "../../state/play.js"; // prettier-ignore
import { sharedScale } from "../../state/store.js";
import { html } from "../html.js";
import { Legend } from "../legend.js";
import { pixelMark } from "../map.js";
import { Matrix } from "../matrix.js";
import { ResultsColumn } from "../resultscolumn.js";
import { Term } from "../term.js";
import { columnScale, pictureScale, pixelOfPooled } from "./looks.js";
import { PlayMap } from "./playmap.js";
import { PlaySentence } from "./sentence.js";
import { WrittenOut } from "./written.js";

const SYMBOLS = { sum: "Σ", mean: "mean", max: "max", min: "min", maxabs: "|max|" };

export function PlayChain() {
  if (result.value.empty) return null;
  const { names } = picture.value;
  return html`<h3 class="play-heading">How it comes about</h3>
    <div class="chain play-chain" data-channels=${names.length}>
      <div class="channels">
        <${Heads} />
        <div class="rows">${names.map((name, index) => html`<${Row} key=${name} name=${name} index=${index} />`)}</div>
      </div>
      <${ResultsColumn}>
        <span class="node" data-short=${setting.value.aggregation === "sum"} title="the partial maps become one: ${setting.value.aggregation}">
          ${SYMBOLS[setting.value.aggregation]}</span>
        <${Maps} />
        <${PlaySentence} />
      </${ResultsColumn}>
    </div>
    <${WrittenOut} />`;
}

function Heads() {
  const scale = (limit) => (sharedScale.value ? { kind: "diverging", limit } : null);
  return html`<div class="column-heads">
    <span class="head" data-column="input"><${Term} word="channel">picture channel</${Term}><${Legend} scale=${pictureScale(picture.value)} /></span>
    <span class="head" data-column="patch"><${Term} word="patch" /><span class="legend">as the channel</span></span>
    <span class="head" data-column="kernel"><${Term} word="kernel" /><${Legend} scale=${scale(limits.value.kernels)} /></span>
    <span class="head" data-column="products"><${Term} word="product">products</${Term}></span>
    <span class="head" data-column="partial"><${Term} word="partial map" /><${Legend} scale=${scale(limits.value.partials)} /></span>
  </div>`;
}

function Row({ name, index }) {
  const { layer, partials } = result.value;
  const channel = picture.value.channels[index];
  if (!channel || !partials[index]) return null;
  const scale = pictureScale(picture.value);
  return html`<div class="channel-row" role="group" aria-label=${name} data-index=${index}>
    <span class="channel-name" data-channel=${name}>${name}</span>
    <div class="column" data-column="input" data-caption="channel">
      <${PlayMap} values=${channel} size=${layer.input_size} scale=${scale} most=${3} label="${name}, the picture's channel"
        marks=${() => windowMark()} onPoint=${(at) => (pointed.value = at && outputNear(layer, at))} onPin=${(at) => keepPixel(outputNear(layer, at))} />
    </div>
    <${Products} index=${index} name=${name} scale=${scale} />
    <div class="column" data-column="partial" data-caption="partial map">
      <${PlayMap} values=${shownPart(partials[index])} size=${layer.output_size} scale=${columnScale("partials", partials[index])} most=${3}
        label="${name}, partial map" marks=${pixelMarks} onPoint=${(at) => (pointed.value = at)} onPin=${keepPixel} />
    </div>
    <${PartialValue} index=${index} />
  </div>`;
}

function windowMark() {
  return playPlace.value ? [{ box: playPlace.value.window, kind: "window" }] : [];
}

function pixelMarks() {
  return playPlace.value ? [pixelMark(playPlace.value.pixel)] : [];
}

/** Patch × kernel = products; the kernel opens in the editor. */
function Products({ index, name, scale }) {
  const size = result.value.layer.kernel_size;
  const fits = () => playPlace.value && result.value.layer.kernel_size.join() === size.join();
  const part = (read) => () => (fits() && playParts.value[index] ? read(playParts.value[index]) : null);
  const open = () => {
    if (picture.value.names.length > 1 && setting.value.kernels.length === 1) shareKernel(false);
    editing.value = index;
    document.querySelector(".weight")?.focus({ preventScroll: true });
  };
  const matrix = (label, read) => html`<span class="column" data-column=${label} data-caption=${label}>
    <${Matrix} key=${size.join()} size=${size} label=${label} read=${part(read)} /></span>`;
  return html`<button type="button" class="products" aria-label="${name}: change this kernel" title="Change the kernel of this channel" onClick=${open}>
    ${matrix("patch", ({ patch, outside }) => ({ values: patch, outside, scale }))}
    <span class="sign" aria-hidden="true">×</span>
    ${matrix("kernel", ({ kernel }) => ({ values: kernel, scale: columnScale("kernels", kernel) }))}
    <span class="sign" aria-hidden="true">=</span>
    ${matrix("products", ({ product, outside }) => ({ values: product, outside, scale: signedScale(sharedScale.value ? productsLimit.value : null, product) }))}
  </button>`;
}

function PartialValue({ index }) {
  if (!playPlace.value) return null;
  const value = playParts.value[index]?.value ?? 0;
  return html`<span class="partial-value" data-sign=${value < 0 ? "negative" : "positive"}>${format(value)}</span>`;
}

function Maps() {
  const { aggregated, activated, pool, pooled } = result.value;
  const { bias, activation } = setting.value;
  const poolMarks = () => (playPlace.value?.pool ? [{ box: playPlace.value.pool.box, kind: "window" }] : []);
  return html`<div class="result-maps">
    <${FullSize} name="aggregated" title=${html`<${Term} word="aggregated map" />`} values=${aggregated} marks=${pixelMarks} />
    <div class="step">
      <span class="operation"><${Term} word="bias">${bias ? html`<span class="number">${formatTerm(bias)}</span>` : "no bias"}</${Term}></span>
      ${activation === "relu" && html`<span class="operation"><${Term} word="activation">ReLU</${Term}></span>`}
    </div>
    <${FullSize} name="activated" title=${html`<${Term} word="feature map" />`} values=${activated} marks=${() => [...pixelMarks(), ...poolMarks()]} />
    ${
      pool && !pool.output_size.includes(0)
        ? html`<div class="step"><span class="operation"><${Term} word="pooling">max ${pool.kernel_size.join("×")}</${Term}></span></div>
        <div class="result" data-result="pooled"><h3><${Term} word="pooling">pooled map</${Term}></h3>
          <${PlayMap} values=${shownPooled(pooled)} size=${pool.output_size} scale=${columnScale("results", pooled)} most=${3}
            label="pooled map, ${pool.output_size[0]} rows, ${pool.output_size[1]} columns"
            marks=${() => (playPlace.value?.pool ? [pixelMark(playPlace.value.pool.cell)] : [])}
            onPoint=${(cell) => (pointed.value = cell && pixelOfPooled(cell))} onPin=${(cell) => keepPixel(pixelOfPooled(cell))} />
          <${Value} read=${(place) => place.pool && pooled[place.pool.cell.y * pool.output_size[1] + place.pool.cell.x]} /></div>`
        : html`<div class="step" data-empty="true"></div>
        <div class="result" data-empty="true"><h3 class="muted">no pooling</h3><div class="map absent"></div></div>`
    }
    <${Legend} scale=${sharedScale.value ? { kind: "diverging", limit: limits.value.results } : null} />
  </div>`;
}

/** A map of the filter's own size: its name, its picture, its number at the pixel. */
function FullSize({ name, title, values, marks }) {
  const size = result.value.layer.output_size;
  return html`<div class="result" data-result=${name}>
    <h3>${title}</h3>
    <${PlayMap} values=${shownPart(values)} size=${size} scale=${columnScale("results", values)} most=${3} marks=${marks}
      label="${name} map, ${size[0]} rows, ${size[1]} columns. Arrow keys move the pixel" onPoint=${(at) => (pointed.value = at)}
      onPin=${keepPixel} keys=${{ at: () => playPlace.value.pixel, onHome: () => keepPixel(null) }} />
    <${Value} read=${({ pixel }) => values[pixel.y * size[1] + pixel.x]} />
  </div>`;
}

/** A number at the pixel, alone, because it follows the pointer. */
function Value({ read }) {
  const value = playPlace.value && read(playPlace.value);
  return html`<span class="value">${value === null || value === undefined ? "" : format(value)}</span>`;
}
