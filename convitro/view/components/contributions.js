/** What every channel brings to the pixel, as bars around zero: with many channels, their sum at a glance. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { colourTable, step } from "../numbers/colour.js";
import { format } from "../numbers/format.js";
import { channelName, limitOf } from "../numbers/scale.js";
import { turnPage } from "../state/actions.js";
import { opposing, opposingAll, opposingWords, partialValues } from "../state/parts.js";
import { chain, rowOrder, strongestFirst, theme } from "../state/store.js";
import { html } from "./html.js";
import { OpposingPairs } from "./pairs.js";
import { Radios } from "./radios.js";

export const FEWEST = 5; // with fewer channels the numbers beside the rows say it all
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
  const pairs = opposing.value;
  const width = useWidth(canvas, enough);
  useLayoutEffect(() => {
    // in the same frame as the numbers: another one would cost the whole page once more
    const lines = linesOf(canvas.current, colours);
    if (enough) draw(canvas.current, width.value, { values, pairs: links(pairs, order, inputs.channels), colours, lines });
  });
  if (!enough) return null;
  const strongest = values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
  const name = channelName(layer, inputs.channels[order[strongest]]);
  const toBar = (event) => {
    const share = event.offsetX / event.currentTarget.clientWidth;
    scrollTo(inputs.channels[order[Math.floor(share * values.length)]]);
  };
  return html`<figure class="contributions">
    <${Order} />
    <figcaption>What each channel brings to this pixel; most: channel ${name} with
      ${" "}<b class="number">${format(values[strongest])}</b></figcaption>
    <canvas
      ref=${canvas} role="img" aria-label="${values.length} channels, bars around zero" onClick=${toBar}
      title="Click a bar to go to its channel"
    ></canvas>
    <${Opposing} />
  </figure>`;
}

/** Which channels take away what others bring; a click leads to the first of the two. */
function Opposing() {
  const { layer, inputs, word } = chain.value;
  const sought = useRef(null); // a channel of a page that is on its way
  useEffect(() => {
    if (inputs.channels.includes(sought.current)) scrollTo(sought.current);
    sought.current = null;
  }, [inputs]);
  if (word.separate) return null; // kept apart, they do nothing to each other
  const seek = (channel) => {
    if (inputs.channels.includes(channel)) return scrollTo(channel);
    sought.current = channel;
    return turnPage(pageOf(layer, channel));
  };
  const named = ({ up, down }) => ({ up: channelName(layer, up), down: channelName(layer, down), channel: up });
  const pairs = opposing.value.map((pair) => ({ ...pair, ...named(pair) }));
  return html`<div class="opposing">
    ${!opposingAll.value && html`<p class="muted">Of the channels on this page:</p>`}
    <${OpposingPairs} pairs=${pairs} words=${opposingWords.value} onChoose=${({ channel }) => seek(channel)} />
  </div>`;
}

/** Where the page begins that holds a channel. */
function pageOf({ channels_per_filter: channels, channels_per_page: size }, channel) {
  return Math.floor((channel % channels) / size) * size;
}

/** Bring the row of a channel of this page into sight. */
function scrollTo(channel) {
  const place = chain.value.inputs.channels.indexOf(channel);
  document.querySelector(`.channel-row[data-index="${place}"]`)?.scrollIntoView({
    block: "center",
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
}

/** The pairs by the places of their bars, as far as both are on this page. */
function links(pairs, order, channels) {
  const bar = (channel) => order.indexOf(channels.indexOf(channel));
  return pairs.map(({ up, down }) => [bar(up), bar(down)]).filter(([up, down]) => up >= 0 && down >= 0);
}

function Order() {
  return html`<div class="order"><span aria-hidden="true">Channels</span>
    <${Radios}
      label="Order of the channels"
      items=${ORDERS}
      chosen=${strongestFirst.value ? "strength" : "number"}
      onChoose=${(key) => (strongestFirst.value = key === "strength")}
    />
  </div>`;
}

/** How wide an element is, as a signal: asking it itself would lay the page out in the middle of a frame. */
function useWidth(element, present) {
  const width = useMemo(() => signal(0), []);
  useLayoutEffect(() => {
    if (!present) return undefined;
    width.value = element.current.clientWidth;
    const observer = new ResizeObserver(([{ contentRect }]) => (width.value = contentRect.width));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [present]);
  return width;
}

const known = {};

/** The colours of the lines, read once for light and once for dark. */
function linesOf(canvas, colours) {
  if (!canvas || known[colours]) return known[colours];
  const style = getComputedStyle(canvas);
  known[colours] = { middle: style.getPropertyValue("--line-strong"), pair: style.getPropertyValue("--accent") };
  return known[colours];
}

function draw(canvas, width, { values, pairs, colours, lines }) {
  const ratio = window.devicePixelRatio || 1;
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
  context.fillStyle = lines.middle;
  context.fillRect(0, HEIGHT / 2 - 0.5, width, 1);
  context.strokeStyle = lines.pair;
  pairs.forEach(([up, down], rank) => {
    const end = (index) => HEIGHT / 2 - (values[index] / limit) * (HEIGHT / 2 - 1);
    context.globalAlpha = 1 - rank * 0.3;
    context.beginPath();
    context.moveTo((up + 0.5) * slot, end(up));
    context.lineTo((down + 0.5) * slot, end(down));
    context.stroke();
  });
  context.globalAlpha = 1;
}
