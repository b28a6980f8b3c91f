/** Loss, accuracy and learning rate over the epochs, with the numbers of one epoch read out. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { highest, linear, nearest, pathOf, ticks, wholeTicks } from "../../numbers/curves.js";
import { format, formatShare } from "../../numbers/format.js";
import { chooseEpoch, current, history, pointed, readOut, training } from "../../state/training.js";
import { html } from "../html.js";
import { Term } from "../term.js";

const HEIGHT = 150;
const MARGIN = { top: 8, right: 10, bottom: 20, left: 40 };
const MOST_DOTS = 40;
const CHARTS = [
  {
    title: "Loss",
    word: "loss",
    lines: [
      { key: "loss", label: "training" },
      { key: "validation_loss", label: "held out" },
    ],
    write: format,
    least: 0,
  },
  {
    title: "Accuracy",
    lines: [
      { key: "accuracy", label: "training" },
      { key: "validation_accuracy", label: "held out" },
    ],
    write: formatShare,
    least: 1,
  },
  { title: "Learning rate", word: "learning rate", lines: [{ key: "learning_rate", label: "rate" }], write: format, least: 0 },
];

export function Curves() {
  if (!history.value.length) {
    return html`<p class="loading curves-wait">The first epoch is not finished yet: the curves begin with it.</p>`;
  }
  return html`<div class="curves">
    ${CHARTS.map((chart) => html`<${Chart} key=${chart.title} ...${chart} />`)}
  </div>`;
}

/** One chart, as wide as there is room. */
function Chart({ title, word, lines, write, least }) {
  const box = useRef(null);
  const width = useWidth(box);
  const rows = history.value;
  const there = lines.filter(({ key }) => rows.some((row) => row[key] !== null));
  return html`<figure class="curve">
    <figcaption>
      <b>${word ? html`<${Term} word=${word}>${title}</${Term}>` : title}</b>
      <${ReadOut} lines=${there} write=${write} />
    </figcaption>
    <div ref=${box} class="curve-box">${width > 0 && html`<${Plot} title=${title} lines=${there} write=${write} least=${least} width=${width} />`}</div>
  </figure>`;
}

/** The numbers of the epoch that is pointed at, or else chosen. */
function ReadOut({ lines, write }) {
  const row = readOut.value;
  return html`<span class="curve-values">${lines.map(
    ({ key, label }, at) => html`<span key=${key} class="curve-value" data-line=${at}>
      <svg width="16" height="8" aria-hidden="true"><path d="M0 4H16" /></svg>
      <span>${label === "held out" ? html`<${Term} word="held out" />` : label}</span>
      ${" "}<b class="number" data-measure=${key}>${row ? write(row[key]) : "–"}</b>
    </span>`,
  )}</span>`;
}

function Plot({ title, lines, write, least, width }) {
  const rows = history.value;
  const xs = rows.map((row) => row.epoch);
  const last = Math.max(training.value.planned, xs.at(-1));
  const levels = ticks(0, Math.max(least, highest(lines.map(({ key }) => rows.map((row) => row[key])))) || 1, 5);
  const x = linear(0, last, MARGIN.left, width - MARGIN.right);
  const y = linear(0, levels.at(-1), HEIGHT - MARGIN.bottom, MARGIN.top);
  const under = (event) => {
    const left = event.currentTarget.getBoundingClientRect().left;
    const share = (event.clientX - left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    return xs[nearest(xs, share * last)] ?? null;
  };
  const words = `${title} over ${xs.length} epochs: ${lines.map(({ key, label }) => `${label} from ${write(rows[0][key])} to ${write(rows.at(-1)[key])}`).join(", ")}`;
  return html`<svg
    class="curve-plot" width=${width} height=${HEIGHT} viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label=${words}
    onPointerMove=${(event) => (pointed.value = under(event))}
    onPointerLeave=${() => (pointed.value = null)}
    onClick=${(event) => chooseEpoch(under(event))}
  >
    <${Axes} levels=${levels} last=${last} x=${x} y=${y} write=${write} width=${width} />
    ${lines.map(({ key }, at) => html`<${Line} key=${key} at=${at} xs=${xs} ys=${rows.map((row) => row[key])} x=${x} y=${y} />`)}
    <${Here} lines=${lines} x=${x} y=${y} />
  </svg>`;
}

function Axes({ levels, last, x, y, write, width }) {
  return html`<g class="curve-axes">
    ${levels.map((level) => html`<g key=${level}>
      <path d="M${MARGIN.left} ${Math.round(y(level)) + 0.5}H${width - MARGIN.right}" />
      <text x=${MARGIN.left - 6} y=${y(level) + 4} text-anchor="end">${level === 0 ? "0" : short(write(level))}</text>
    </g>`)}
    ${wholeTicks(0, last, Math.max(3, Math.floor(width / 50))).map((tick) => html`<text key=${tick} x=${x(tick)} y=${HEIGHT - 4} text-anchor="middle">${tick}</text>`)}
  </g>`;
}

/** "0.500" says no more than "0.5". */
function short(text) {
  return text.replace(/(\.\d*?)0+(?=$|e|\s)/, "$1").replace(/\.(?=$|e|\s)/, "");
}

function Line({ at, xs, ys, x, y }) {
  const dots = xs.length <= MOST_DOTS ? xs.map((epoch, index) => [epoch, ys[index]]).filter(([, value]) => Number.isFinite(value)) : [];
  return html`<g class="curve-line" data-line=${at}>
    <path d=${pathOf(xs, ys, x, y)} />
    ${dots.map(([epoch, value]) => html`<circle key=${epoch} cx=${x(epoch)} cy=${y(value)} r="2" />`)}
  </g>`;
}

/** The epoch that is read out; alone, because it follows the pointer. */
function Here({ lines, x, y }) {
  const at = pointed.value ?? current.value;
  if (at === null) return null;
  const row = readOut.value;
  return html`<g class="curve-here" aria-hidden="true">
    <path d="M${x(at)} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}" />
    ${lines.map(({ key }, index) => row && Number.isFinite(row[key]) && html`<circle key=${key} data-line=${index} cx=${x(at)} cy=${y(row[key])} r="4.5" />`)}
  </g>`;
}

/** How many pixels wide an element is by now. */
function useWidth(ref) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return width;
}
