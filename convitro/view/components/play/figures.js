/** What the filter costs, how large its result is, and how far it sees, each with its formula written out. */

import { formatCount } from "../../numbers/format.js";
import { costOf, outputFormula, receptiveField, unreadExtent } from "../../numbers/geometry.js";
import { result } from "../../state/play.js";
import { html } from "../html.js";
import { Term } from "../term.js";

export function Figures() {
  const { layer, pool, empty } = result.value;
  const [kh, kw] = layer.kernel_size;
  const { parameters, macs } = costOf({ channels: layer.in_channels, filters: 1, ...layer });
  const field = [0, 1].map((axis) => receptiveField(layersOf(layer, pool, axis)));
  const [rows, columns] = layer.output_size;
  const square = field[0].formula === field[1].formula;
  const squareOutput = outputFormula(layer, 0) === outputFormula(layer, 1);
  return html`<dl class="figures" data-empty=${Boolean(empty)}>
    <${Figure} name="parameters" title="Parameters" value=${formatCount(parameters)} how="${layer.in_channels} · ${kh} · ${kw} + 1: the numbers of the kernels and the bias" />
    <${Figure} name="size" title="Size of the result" value="${rows} × ${columns}"
      how=${squareOutput ? outputFormula(layer, 0) : `rows ${outputFormula(layer, 0)}; columns ${outputFormula(layer, 1)}`}>
      ${empty && "Less than 1 is none. "}(size + padding − dilation · (kernel − 1) − 1) / stride, rounded down, + 1${leftOut(layer)}</${Figure}>
    <${Figure} name="macs" title=${html`<${Term} word="MAC">MACs</${Term}>`} value=${formatCount(macs)} how="${layer.in_channels} · ${kh} · ${kw} · ${rows} · ${columns}: one for every weight at every place" />
    <${Figure} name="field" title=${html`<${Term} word="receptive field">Receptive field</${Term}>`} value=${field.map(({ size }) => size).join(" × ")}
      how=${square ? `${field[0].formula} = ${field[0].size}` : `rows ${field[0].formula} = ${field[0].size}; columns ${field[1].formula} = ${field[1].size}`}>
      what one pixel of the ${pool ? "pooled map" : "result"} can see of the picture</${Figure}>
  </dl>`;
}

/** What a stride that does not divide the picture costs, in words. */
function leftOut(layer) {
  const [rows, columns] = [0, 1].map((axis) => unreadExtent(layer, axis));
  const several = (count, word) => (count === 0 ? "" : count === 1 ? word : `${count} ${word}s`);
  const words = [several(rows, "row"), several(columns, "column")].filter(Boolean).join(" and ");
  return words && `. The kernel never gets to the last ${words}.`;
}

/** The filter and its pooling along one axis. */
function layersOf(layer, pool, axis) {
  const own = { kernel: layer.kernel_size[axis], stride: layer.stride[axis], dilation: layer.dilation[axis] };
  return pool ? [own, { kernel: pool.kernel_size[axis], stride: pool.stride[axis] }] : [own];
}

function Figure({ name, title, value, how, children }) {
  return html`<div class="figure" data-figure=${name}><dt>${title}</dt>
    <dd><b class="figure-value">${value}</b><span class="figure-how number">${how}</span>${children && html`<span class="figure-words muted">${children}</span>`}</dd></div>`;
}
