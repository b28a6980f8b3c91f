/** The kernel as a grid of numbers to type, drag, turn with the wheel, and paste. */

import {
  flip, LARGEST_KERNEL, normalise, parseMatrix, randomise, transpose, zero,
} from "../../numbers/kernels.js"; // prettier-ignore
import { limitOf, signedScale } from "../../numbers/scale.js";
import { complaint, editing, openKernel, picture, setKernel, setKernelSize, setting, shareKernel } from "../../state/play.js";
import { html } from "../html.js";
import { Radios } from "../radios.js";
import { Term } from "../term.js";
import { NumberField } from "./fields.js";
import { sumOf } from "./looks.js";
import { Weight } from "./weight.js";

const TOOLS = [
  { name: "Normalise", title: "divide all by their sum, so that they add up to 1", make: normalise },
  { name: "Flip", title: "turn by half a turn: what mathematicians call a convolution slides the turned kernel", make: flip },
  { name: "Transpose", title: "rows become columns", make: transpose },
  { name: "Zero", title: "all numbers 0", make: zero },
  { name: "Random", title: "numbers from −1 to 1, as in a network before any training", make: (kernel) => randomise(kernel) },
];

export function Editor() {
  const { rows, columns, values } = openKernel.value;
  const scale = signedScale(null, values);
  const most = limitOf(values) || 1;
  const side = Math.max(rows, columns);
  const name = setting.value.kernels.length > 1 && picture.value.names.length > 1 ? `${picture.value.names[editing.value]} kernel` : "kernel";
  return html`<div class="editor" role="group" aria-label=${name}>
    <p class="editor-head"><${Term} word="kernel" /> <span class="muted">${rows} × ${columns}</span>
      <span class="editor-sum muted">sum <span class="number">${written(values)}</span></span></p>
    <div class="editor-frame">
      <div class="weights" style=${{ "--rows": rows, "--columns": columns, "--side": side }} onPaste=${paste}>
        ${values.map((value, at) => {
          const label = `${name}, row ${Math.floor(at / columns)}, column ${at % columns}`;
          return html`<${Weight} key="${rows}x${columns}:${at}" at=${at} value=${value} values=${values} columns=${columns}
            scale=${{ ...scale, limit: most }} label=${label} />`;
        })}
      </div>
    </div>
    <${Whose} />
    <div class="editor-tools">
      ${TOOLS.map(
        ({ name: tool, title, make }) => html`<button type="button" class="tool" title=${title}
          onClick=${() => setKernel(make(openKernel.value))}>${tool}</button>`,
      )}
    </div>
    <div class="editor-size"><span>Size</span>
      <${NumberField} label="rows of the kernel" value=${rows} low=${1} high=${LARGEST_KERNEL} onChange=${(value) => setKernelSize([value, columns])} />
      <span aria-hidden="true">×</span>
      <${NumberField} label="columns of the kernel" value=${columns} low=${1} high=${LARGEST_KERNEL} onChange=${(value) => setKernelSize([rows, value])} />
    </div>
    <p class="editor-hint muted">Type, press ↑ ↓, drag up or down, or turn the wheel. Paste a matrix into any cell.</p>
  </div>`;
}

function written(values) {
  return String(Number(sumOf({ values }).toFixed(3))).replace("-", "−");
}

/** Whose kernel is open, where the picture has several channels. */
function Whose() {
  const { names } = picture.value;
  if (names.length === 1 || setting.value.stack) return null;
  const { kernels } = setting.value;
  const items = [
    { key: -1, label: "one kernel for all channels", body: "all alike" },
    ...names.map((name, at) => ({ key: at, label: `kernel of the ${name} channel`, body: name })),
  ];
  const choose = (key) => {
    if (key === -1) return shareKernel(true);
    if (setting.value.kernels.length === 1) shareKernel(false);
    return (editing.value = key);
  };
  return html`<${Radios} label="Whose kernel" class="segments editor-whose" items=${items}
    chosen=${kernels.length === 1 ? -1 : editing.value} onChoose=${choose} />`;
}

/** A matrix pasted into any cell takes the place of the kernel; one number goes where it was pasted. */
function paste(event) {
  const found = parseMatrix(event.clipboardData?.getData("text/plain") ?? "");
  if (!found) return;
  event.preventDefault();
  if (found.problem) complaint.value = found.problem;
  else setKernel(found.kernel);
}
