/** The presets as a row of buttons, each with what it makes of the picture. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { paint } from "../../numbers/colour.js";
import { runFilter } from "../../numbers/handmade.js";
import { limitOf } from "../../numbers/scale.js";
import { sample, smaller } from "../../numbers/samples.js";
import { choosePreset, setting } from "../../state/play.js";
import { PRESETS } from "../../state/presets.js";
import { network, theme } from "../../state/store.js";
import { html } from "../html.js";
import { Radios } from "../radios.js";

const SIDE = 64; // pixels that are enough for a small picture

export function Presets() {
  const items = PRESETS.map(({ id, title, setting: made }) => ({
    key: id,
    label: title,
    body: html`<${Thumbnail} id=${id} made=${made} /><span class="preset-title">${title}</span>`,
  }));
  return html`<${Radios} label="Presets" class="presets" itemClass="preset" items=${items} chosen=${setting.value.preset}
    onChoose=${choosePreset} />`;
}

function Thumbnail({ id, made }) {
  if (made.stack) return html`<${Frames} depth=${made.stack} />`;
  if (id === "hundreds") return html`<span class="preset-picture preset-number" aria-hidden="true">40404</span>`;
  return html`<${Made} made=${made} />`;
}

/** The result of a preset on a small version of the picture. */
function Made({ made }) {
  const canvas = useRef(null);
  const colours = theme.value;
  const opened = network.value.arrays.picture;
  const { map, size } = useMemo(() => {
    const { layer, activated, pooled, pool } = runFilter(made, smaller(sample(made.from, made.grey, opened), SIDE));
    return { map: pooled ?? activated ?? [0], size: pool?.output_size ?? (activated ? layer.output_size : [1, 1]) };
  }, [opened, made]);
  useLayoutEffect(() => {
    const grey = made.look === "grey";
    const scale = grey ? { kind: "grey", low: 0, high: 1 } : { kind: "diverging", limit: limitOf(map) };
    paint(canvas.current, map, size, scale, colours);
  }, [map, colours]);
  return html`<canvas ref=${canvas} class="preset-picture" aria-hidden="true"></canvas>`;
}

/** What a stack sees, frame in frame. */
function Frames({ depth }) {
  const side = 2 * depth + 1;
  const frames = Array.from({ length: depth }, (_, at) => 2 * at + 3);
  return html`<svg class="preset-picture preset-frames" viewBox="-0.5 -0.5 8 8" aria-hidden="true">
    ${Array.from({ length: side * side }, (_, at) => {
      const inset = (7 - side) / 2;
      return html`<rect class="preset-cell" x=${inset + (at % side) + 0.08} y=${inset + Math.floor(at / side) + 0.08} width="0.84" height="0.84" />`;
    })}
    ${frames.map((frame) => html`<rect class="preset-frame" x=${(7 - frame) / 2} y=${(7 - frame) / 2} width=${frame} height=${frame} />`)}
  </svg>`;
}
