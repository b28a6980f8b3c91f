/** The picture, the kernel, what comes out, and everything that can be set. */

import { format } from "../../numbers/format.js";
import { outputNear } from "../../numbers/window.js";
import { keepPixel, picture, playPlace, pointed, result, setting, shownPart, shownPooled, stack } from "../../state/play.js";
import { html } from "../html.js";
import { Legend } from "../legend.js";
import { pixelMark } from "../map.js";
import { Editor } from "./editor.js";
import { Look } from "./look.js";
import { pictureScale, pixelOfPooled, resultScale, resultTitle } from "./looks.js";
import { PlayMap } from "./playmap.js";
import { Settings } from "./settings.js";
import { pointInStack, StackResult, stackMarks } from "./stack.js";

export function Bench() {
  return html`<div class="bench">
    <${Picture} />
    <span class="bench-sign" data-sign="slides" aria-hidden="true">×</span>
    <${Editor} />
    <span class="bench-sign" data-sign="makes" aria-hidden="true">=</span>
    ${stack.value ? html`<${StackResult} />` : html`<${Result} />`}
    <${Settings} />
  </div>`;
}

function Picture() {
  const { size, channels, bytes, names } = picture.value;
  const { layer, empty } = result.value;
  const stacked = setting.value.stack > 0;
  return html`<figure class="bench-picture">
    <figcaption>picture <span class="muted">${size.join(" × ")}, ${channels.length === 1 ? "one channel" : "three channels"}</span></figcaption>
    <${PlayMap}
      values=${channels[0]} digits=${channels} picture=${bytes} size=${size} scale=${pictureScale(picture.value)}
      label="picture, ${names.join(", ")}: ${size[0]} rows, ${size[1]} columns"
      marks=${() => (stacked ? stackMarks() : playPlace.value ? [{ box: playPlace.value.window, kind: "window" }] : [])}
      onPoint=${(at) => (stacked ? pointInStack(at, false) : !empty && (pointed.value = at && outputNear(layer, at)))}
      onPin=${(at) => (stacked ? pointInStack(at, true) : !empty && keepPixel(outputNear(layer, at)))}
    />
    <${Legend} scale=${pictureScale(picture.value)} />
  </figure>`;
}

function Result() {
  return html`<figure class="bench-result" data-empty=${Boolean(result.value.empty)}>
    <figcaption>result <span class="muted">${resultTitle()}</span></figcaption>
    <${ResultMap} />
    <${Look} scale=${resultScale()} />
    <${ResultValue} />
  </figure>`;
}

function ResultMap() {
  const { layer, empty, activated, pool, pooled } = result.value;
  if (empty) return html`<${NoResult} />`;
  if (pool?.output_size.includes(0)) return html`<${TooSmallToPool} />`;
  const keys = { at: () => (pool ? playPlace.value.pool?.cell : null) ?? playPlace.value.pixel, onHome: () => keepPixel(null) };
  if (!pool) {
    return html`<${PlayMap} values=${shownPart(activated)} size=${layer.output_size} scale=${resultScale()}
      label=${mapLabel(layer.output_size)} marks=${() => [pixelMark(playPlace.value.pixel)]}
      onPoint=${(at) => (pointed.value = at)} onPin=${keepPixel} keys=${keys} />`;
  }
  return html`<${PlayMap} values=${shownPooled(pooled)} size=${pool.output_size} scale=${resultScale()}
    label=${mapLabel(pool.output_size)} marks=${() => (playPlace.value.pool ? [pixelMark(playPlace.value.pool.cell)] : [])}
    onPoint=${(cell) => (pointed.value = cell && pixelOfPooled(cell))} onPin=${(cell) => keepPixel(pixelOfPooled(cell))} keys=${keys} />`;
}

function mapLabel(size) {
  return `result, ${size[0]} rows, ${size[1]} columns. Arrow keys move the pixel`;
}

/** The number under the pointer, alone, because it follows. */
function ResultValue() {
  const place = playPlace.value;
  if (!place) return html`<span class="bench-value muted">no output pixel</span>`;
  const { layer, activated, pool, pooled } = result.value;
  const { pixel } = place;
  const value = pool
    ? place.pool && pooled[place.pool.cell.y * pool.output_size[1] + place.pool.cell.x]
    : activated[pixel.y * layer.output_size[1] + pixel.x];
  const at = pool && place.pool ? place.pool.cell : pixel;
  if (value === null || value === undefined) return html`<span class="bench-value muted">no pooling window reaches this pixel</span>`;
  return html`<span class="bench-value">row ${at.y}, column ${at.x}: <b class="number">${format(value)}</b></span>`;
}

function NoResult() {
  const { input_size: size, padding, kernel_size: kernel, dilation } = result.value.layer;
  const padded = [0, 1].map((axis) => size[axis] + padding[2 * axis] + padding[2 * axis + 1]);
  const reach = [0, 1].map((axis) => (kernel[axis] - 1) * dilation[axis] + 1);
  return html`<div class="no-result" role="status"><p><b>The kernel finds no place to stand.</b> It reaches over
    ${" "}${reach.join(" × ")} pixels, and the picture with its padding has only ${padded.join(" × ")}. So the output has no pixel.</p>
    <p class="muted">Make the kernel or the dilation smaller, or add padding.</p></div>`;
}

function TooSmallToPool() {
  const { pool, layer } = result.value;
  return html`<div class="no-result" role="status"><p><b>Nothing is left to pool.</b> The feature map has
    ${" "}${layer.output_size.join(" × ")} pixels, and a window needs ${pool.kernel_size.join(" × ")}.</p>
    <p class="muted">Choose a smaller window, or none.</p></div>`;
}
