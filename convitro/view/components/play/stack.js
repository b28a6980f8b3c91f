/** Small kernels one after the other against one large kernel: what they see, what comes out, what they cost. */

import { compare } from "../../numbers/arithmetic.js";
import { format, formatCount } from "../../numbers/format.js";
import { closeUp, cut } from "../../numbers/closeup.js";
import { costOf, receptiveField } from "../../numbers/geometry.js";
import { limitOf, signedScale } from "../../numbers/scale.js";
import { clamp } from "../../numbers/window.js";
import { keepPixel, picture, pointed, setting, stack } from "../../state/play.js";
import { html } from "../html.js";
import { MapView } from "../map.js";
import { Matrix } from "../matrix.js";
import { Look } from "./look.js";
import { lookScale, pictureScale, sumOf } from "./looks.js";
import { PlayMap } from "./playmap.js";

const NEAR = 15; // pixels a side of a close-up
const WORDS = { 2: "Two", 3: "Three" };
const ORDINALS = ["first", "second", "third"];

/** The pixel of the last map that both sides look at. */
function target() {
  const size = stack.value.whole.layer.output_size;
  const middle = { y: Math.floor(size[0] / 2), x: Math.floor(size[1] / 2) };
  return clamp(pointed.value ?? setting.value.pixel ?? middle, size);
}

/** What the target sees of the map that stands `after` layers before the end: a box. */
function seen(after, kernel) {
  const { y, x } = target();
  return { top: y, left: x, height: after * (kernel[0] - 1) + 1, width: after * (kernel[1] - 1) + 1 };
}

/** On the large picture: what one pixel of each layer sees, frame in frame around the same middle. */
export function stackMarks() {
  if (stack.value.empty) return [];
  const { kernels: [{ rows, columns }], stack: depth } = setting.value; // prettier-ignore
  const { top, left } = seen(0, [1, 1]);
  return Array.from({ length: depth }, (_, at) => {
    const after = at + 1;
    const box = seen(after, [rows, columns]);
    const inset = depth - after;
    return { box: { ...box, top: top + (inset * (rows - 1)) / 2, left: left + (inset * (columns - 1)) / 2 }, kind: "window" };
  });
}

/** The colours of a map after so many of the small kernels. */
function lookOf(map, depth) {
  return lookScale(map, sumOf(setting.value.kernels[0]) ** depth);
}

/** What comes out, in the place of the single filter's result. */
export function StackResult() {
  const { whole, steps, empty } = stack.value;
  if (empty) {
    return html`<figure class="bench-result" data-empty="true"><figcaption>result</figcaption>
      <div class="no-result" role="status"><p><b>The picture is too small.</b> Together the layers see
      ${" "}${stack.value.large.rows} × ${stack.value.large.columns} pixels, and the picture has ${picture.value.size.join(" × ")}.</p></div></figure>`;
  }
  const last = steps.at(-1);
  const size = whole.layer.output_size;
  return html`<figure class="bench-result">
    <figcaption>result <span class="muted">of the ${WORDS[steps.length].toLowerCase()} layers, ${size.join(" × ")}</span></figcaption>
    <${StackMap} map=${last.map} size=${size} />
    <${Look} scale=${lookOf(last.map, steps.length)} />
    <${ValueAt} map=${last.map} width=${size[1]} />
  </figure>`;
}

function ValueAt({ map, width }) {
  const { y, x } = target();
  return html`<span class="bench-value">row ${y}, column ${x}: <b class="number">${format(map[y * width + x])}</b></span>`;
}

/** The last map as a whole; pointing at it moves the pixel whose view is outlined. */
function StackMap({ map, size }) {
  return html`<${PlayMap} values=${map} size=${size} scale=${lookOf(map, setting.value.stack)}
    label="result of the layers, ${size[0]} rows, ${size[1]} columns. Arrow keys move the pixel"
    marks=${() => [{ box: seen(0, [1, 1]), kind: "pixel" }]} onPoint=${(at) => (pointed.value = at)} onPin=${keepPixelOf}
    keys=${{ at: target, onHome: () => keepPixelOf(null) }} />`;
}

/** Pointing at the large picture: the pixel of the result in the middle of whose view the pointer is. */
export function pointInStack(at, keep) {
  const { large, empty } = stack.value;
  if (empty) return;
  const pixel = at && { y: at.y - Math.floor((large.rows - 1) / 2), x: at.x - Math.floor((large.columns - 1) / 2) };
  if (keep) keepPixelOf(pixel);
  else pointed.value = pixel;
}

function keepPixelOf(pixel) {
  keepPixel(pixel, stack.value.whole.layer.output_size);
}

export function StackView() {
  if (stack.value.empty) return null;
  const { steps, large, whole } = stack.value;
  const { between, kernels: [kernel] } = setting.value; // prettier-ignore
  const small = [kernel.rows, kernel.columns];
  const { limit } = compare(steps.at(-1).map, whole.map);
  const close = limit <= 1e-5 * Math.max(limitOf(whole.map), 1e-30);
  return html`<div class="versus">
    <section class="side" aria-label="layers of small kernels"><h3>${WORDS[steps.length]} layers of ${small.join(" × ")}${between ? ", ReLU in between" : ""}</h3>
      <div class="side-maps">
        <${SideMap} title="picture" map=${picture.value.channels[0]} size=${picture.value.size} after=${steps.length} kernel=${small} picture=${picture.value.bytes} />
        ${steps.map(
          ({ map, layer }, at) => html`<${Arrow}><${Matrix} key=${small.join()} size=${small} label="kernel" read=${() => ({ values: kernel.values, scale: signedScale(null, kernel.values) })} /></${Arrow}>
          <${SideMap} title="${ORDINALS[at]} map" map=${map} size=${layer.output_size} after=${steps.length - 1 - at} kernel=${small} />`,
        )}
      </div></section>
    <section class="side" aria-label="one large kernel"><h3>One layer of ${large.rows} × ${large.columns}</h3>
      <div class="side-maps">
        <${SideMap} title="picture" map=${picture.value.channels[0]} size=${picture.value.size} after=${1} kernel=${[large.rows, large.columns]} picture=${picture.value.bytes} />
        <${Arrow}><${Matrix} key="${large.rows}x${large.columns}" size=${[large.rows, large.columns]} label="the small kernels made into one"
          read=${() => ({ values: large.values, scale: signedScale(null, large.values) })} /></${Arrow}>
        <${SideMap} title="its map" map=${whole.map} size=${whole.layer.output_size} after=${0} kernel=${[1, 1]} />
      </div></section>
    <p class="verdict" data-same=${close}>${verdict(close, limit)}</p>
  </div>`;
}

function verdict(close, limit) {
  if (!close) {
    return html`<b>The results differ</b> by up to <span class="number">${format(limit)}</span>: with ReLU in between, small
      kernels do what no single kernel can.`;
  }
  if (!setting.value.between) {
    return html`<b>Both results are the same map.</b> With nothing in between, layers fall together into one: the large kernel
      was made from the small ones. Put ReLU in between to see the difference.`;
  }
  return html`<b>Both results are the same map</b>, because nothing in between is negative: ReLU has nothing to remove. Put
    negative numbers into the kernel to see the difference.`;
}

function Arrow({ children }) {
  return html`<span class="side-arrow"><span class="side-kernel">${children}</span><span aria-hidden="true">→</span></span>`;
}

/** A map from near, around what the pixel of the result sees of it. */
function SideMap({ title, map, size, after, kernel, picture: whole }) {
  const box = seen(after, kernel);
  const part = closeUp(box, size, NEAR);
  const near = [part.height, part.width];
  const colours = whole && { values: cut(whole.values, size[1], part, whole.shape[2]), shape: [...near, whole.shape[2]] };
  const mark = { ...box, top: box.top - part.top, left: box.left - part.left };
  return html`<figure class="side-map"><figcaption>${title}</figcaption>
    <${MapView} values=${cut(map, size[1], part)} picture=${colours} size=${near} scale=${whole ? pictureScale(picture.value) : lookOf(map, setting.value.stack - after)}
      label="${title} from near: ${box.height} by ${box.width} pixels are seen" marks=${() => [{ box: mark, kind: after ? "window" : "pixel" }]}
      onPoint=${ignore} onPin=${ignore} />
    <span class="side-seen muted">${after ? `${box.height} × ${box.width} seen` : "one pixel"}</span></figure>`;
}

function ignore() {}

/** Parameters and MACs of both sides, for layers of so many channels. */
export function StackFigures() {
  if (stack.value.empty) return null;
  const { steps, large } = stack.value;
  const [high, wide] = picture.value.size;
  const { width, kernels: [kernel] } = setting.value; // prettier-ignore
  const cost = ({ rows, columns }) => costOf({ channels: width, filters: width, kernel_size: [rows, columns], output_size: [high, wide] });
  const [small, one] = [cost(kernel), cost(large)];
  const field = receptiveField(steps.map(() => ({ kernel: kernel.rows })));
  const other = receptiveField(steps.map(() => ({ kernel: kernel.columns })));
  const depth = steps.length;
  const rows = [
    ["receptive field", `${field.size} × ${other.size}`, `${large.rows} × ${large.columns}`, `${field.formula} = ${field.size}`],
    ["parameters", formatCount(depth * small.parameters), formatCount(one.parameters),
      `${depth} · (${width} · ${width} · ${kernel.rows} · ${kernel.columns} + ${width}) against ${width} · ${width} · ${large.rows} · ${large.columns} + ${width}`],
    ["MACs", formatCount(depth * small.macs), formatCount(one.macs), `weights · ${high} · ${wide} places, padded so that every map is as large as the picture`],
  ]; // prettier-ignore
  return html`<div class="costs"><table>
    <caption>With ${width} ${width === 1 ? "channel" : "channels"} in every layer</caption>
    <thead><tr><th></th><th>${WORDS[depth].toLowerCase()} ${kernel.rows} × ${kernel.columns}</th><th>one ${large.rows} × ${large.columns}</th><th>how</th></tr></thead>
    <tbody>${rows.map(([name, left, right, how]) => html`<tr data-cost=${name}><th>${name}</th><td>${left}</td><td>${right}</td><td class="muted">${how}</td></tr>`)}</tbody>
  </table></div>`;
}
