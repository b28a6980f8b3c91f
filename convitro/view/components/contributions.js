/** What every channel brings to the pixel, as bars around zero: with many channels, their sum at a glance. */

import { useEffect, useRef } from "preact/hooks";
import { colourTable, step } from "../numbers/colour.js";
import { format } from "../numbers/format.js";
import { channelName, limitOf } from "../numbers/scale.js";
import { partialValues } from "../state/parts.js";
import { chain, rowOrder, strongestFirst, theme } from "../state/store.js";
import { html } from "./html.js";
import { Radios } from "./radios.js";

const FEWEST = 5; // with fewer channels the numbers beside the rows say it all
const HEIGHT = 64;
const ORDERS = [
  { key: "number", label: "by number", body: "by number" },
  { key: "strength", label: "strongest first", body: "strongest first" },
];

export function Contributions() {
  const { layer, inputs } = chain.value;
  const canvas = useRef(null);
  const order = rowOrder.value;
  const values = order.map((index) => partialValues.value[index]);
  const colours = theme.value;
  const enough = values.length >= FEWEST;
  useEffect(() => {
    if (enough) draw(canvas.current, values, colours);
  });
  if (!enough) return null;
  const strongest = values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
  const name = channelName(layer, inputs.channels[order[strongest]]);
  const scrollTo = (event) => {
    const share = event.offsetX / event.currentTarget.clientWidth;
    const row = document.querySelector(`.channel-row[data-index="${order[Math.floor(share * values.length)]}"]`);
    row?.scrollIntoView({
      block: "center",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
  };
  return html`<figure class="contributions">
    <${Order} />
    <figcaption>What each channel brings to this pixel; most: channel ${name} with
      ${" "}<b class="number">${format(values[strongest])}</b></figcaption>
    <canvas
      ref=${canvas} role="img" aria-label="${values.length} channels, bars around zero" onClick=${scrollTo}
      title="Click a bar to go to its channel"
    ></canvas>
  </figure>`;
}

function Order() {
  return html`<div class="order"><span aria-hidden="true">Channels</span>
    <${Radios}
      label="Order of the channels"
      class="segments"
      itemClass="segment"
      items=${ORDERS}
      chosen=${strongestFirst.value ? "strength" : "number"}
      onChoose=${(key) => (strongestFirst.value = key === "strength")}
    />
  </div>`;
}

function draw(canvas, values, colours) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * ratio))
    [canvas.width, canvas.height] = [Math.round(width * ratio), HEIGHT * ratio];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, HEIGHT);
  const limit = limitOf(values) || 1;
  const table = colourTable("diverging", colours);
  const slot = width / values.length;
  const gap = slot > 4 ? Math.min(slot * 0.2, 3) : 0;
  values.forEach((value, index) => {
    const row = step(Math.sign(value) * (0.35 * limit + 0.45 * Math.abs(value)), { kind: "diverging", limit }) * 3;
    context.fillStyle = `rgb(${table.subarray(row, row + 3).join(" ")})`;
    const height = (Math.abs(value) / limit) * (HEIGHT / 2 - 1);
    context.fillRect(
      index * slot + gap / 2,
      value > 0 ? HEIGHT / 2 - height : HEIGHT / 2,
      slot - gap,
      Math.max(height, 0.5),
    );
  });
  context.fillStyle = getComputedStyle(canvas).getPropertyValue("--line-strong");
  context.fillRect(0, HEIGHT / 2 - 0.5, width, 1);
}
