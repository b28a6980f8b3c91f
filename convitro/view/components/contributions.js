/** What every channel brings to the pixel, as bars around zero: with many channels, their sum at a glance. */

import { useEffect, useRef } from "preact/hooks";
import { format } from "../numbers/format.js";
import { channelName, limitOf } from "../numbers/scale.js";
import { turnPage } from "../state/actions.js";
import { opposing, opposingAll, opposingWords, partialValues } from "../state/parts.js";
import { chain, rowOrder, strongestFirst } from "../state/store.js";
import { html } from "./html.js";
import { OpposingPairs } from "./pairs.js";
import { Radios } from "./radios.js";

export const FEWEST = 5; // with fewer channels the numbers beside the rows say it all
const HALF = 32; // of the height, for each sign
const GAP = 0.1; // at each side of a bar
const ORDERS = [
  { key: "number", label: "by number", body: "by number" },
  { key: "strength", label: "strongest first", body: "strongest first" },
];

export function Contributions() {
  const { layer, inputs } = chain.value;
  const order = rowOrder.value;
  const values = order.map((index) => partialValues.value[index]);
  if (values.length < FEWEST) return null;
  const strongest = values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
  const name = channelName(layer, inputs.channels[order[strongest]]);
  const toBar = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    scrollTo(inputs.channels[order[Math.floor(((event.clientX - left) / width) * values.length)]]);
  };
  return html`<figure class="contributions">
    <${Order} />
    <figcaption>What each channel brings to this pixel; most: channel ${name} with
      ${" "}<b class="number">${format(values[strongest])}</b></figcaption>
    <${Bars} values=${values} pairs=${links(opposing.value, order, inputs.channels)} label="${values.length} channels, bars around zero" onBar=${toBar} />
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

/** The bars, one unit wide each. Not a canvas: a browser would stack all sheets of the page anew for every frame of it. */
function Bars({ values, pairs, label, onBar }) {
  const limit = limitOf(values) || 1;
  const end = (value) => HALF - (value / limit) * (HALF - 1);
  const bar = (value, index) => `M${index + GAP} ${HALF}V${end(value)}h${1 - 2 * GAP}V${HALF}z`;
  const bars = (sign) => values.map((value, index) => (value * sign > 0 ? bar(value, index) : "")).join("");
  const line = ([up, down]) => `M${up + 0.5} ${end(values[up])}L${down + 0.5} ${end(values[down])}`;
  return html`<svg viewBox="0 0 ${values.length} ${2 * HALF}" preserveAspectRatio="none" role="img" aria-label=${label} onClick=${onBar}>
    <title>Click a bar to go to its channel</title>
    <path data-sign="positive" d=${bars(1)} />
    <path data-sign="negative" d=${bars(-1)} />
    <path data-line="middle" d="M0 ${HALF}H${values.length}" />
    ${pairs.map((pair, rank) => html`<path key=${rank} data-line="pair" style=${{ "--rank": rank }} d=${line(pair)} />`)}
  </svg>`;
}
