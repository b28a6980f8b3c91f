/** What stands around the kernel: the picture, how it is read, and what is done with the maps. */

import { SIMPLE_AGGREGATIONS } from "../../numbers/combine.js";
import { RESIZABLE } from "../../numbers/samples.js";
import { change, colourful, picture, setting } from "../../state/play.js";
import { LIMITS } from "../../state/playaddress.js";
import { picking } from "../../state/store.js";
import { html } from "../html.js";
import { Radios } from "../radios.js";
import { Term } from "../term.js";
import { NumberField } from "./fields.js";

const PICTURES = [
  { key: "picture", label: "the open picture", body: "open picture" },
  { key: "edge", label: "an edge", body: "edge" },
  { key: "dot", label: "a dot, one pixel of 1", body: "dot" },
  { key: "ramp", label: "a ramp from 0 to 1", body: "ramp" },
  { key: "hundreds", label: "3 by 3 pixels of 1, 100 and 10000", body: "1 · 100 · 10000" },
];
const CHANNELS = [
  { key: "grey", label: "one channel, the mean of all", body: "one" },
  { key: "colour", label: "three channels: red, green, blue", body: "three" },
];
const PADDINGS = [
  { key: "valid", label: "none, as the word valid", body: "none" },
  { key: "same", label: "same: the result as large as the picture", body: "same" },
  { key: "number", label: "a number of pixels", body: "number" },
];
const ACTIVATIONS = [
  { key: "none", label: "none", body: "none" },
  { key: "relu", label: "ReLU: what is negative becomes 0", body: "ReLU" },
];
const POOLS = [0, 2, 3].map((side) => ({
  key: side,
  label: side ? `${side} by ${side}` : "none",
  body: side ? `${side} × ${side}` : "none",
}));
const DEPTHS = [
  { key: 2, label: "two layers", body: "two" },
  { key: 3, label: "three layers", body: "three" },
];
const BETWEEN = [
  { key: false, label: "nothing", body: "nothing" },
  { key: true, label: "ReLU", body: "ReLU" },
];

export function Settings() {
  return html`<div class="settings" role="group" aria-label="Settings">
    <${PictureChoice} />
    ${setting.value.stack ? html`<${StackSettings} />` : html`<${FilterSettings} />`}
  </div>`;
}

function PictureChoice() {
  const { from, grey, side } = setting.value;
  return html`<${Row} name="Picture">
      <${Choice} label="Picture" class="chips" itemClass="chip" items=${PICTURES} chosen=${from} set="from" />
      ${from === "picture" && html`<button type="button" class="link" onClick=${() => (picking.value = true)}>another …</button>`}
    </${Row}>
    ${
      RESIZABLE.includes(from) &&
      html`<${Row} name="Its size">
      <${NumberField} label="pixels a side" value=${side} low=${1} high=${LIMITS.side} onChange=${(value) => change({ side: value })} />
      <span class="muted">× ${side}</span>
    </${Row}>`
    }
    ${
      !setting.value.stack &&
      html`<${Row} name=${html`<${Term} word="channel">Channels</${Term}>`}>
      ${
        colourful.value
          ? html`<${Choice} label="Channels" items=${CHANNELS} chosen=${grey ? "grey" : "colour"} write=${(key) => ({ grey: key === "grey" })} />`
          : html`<span class="muted">one: the picture is grey</span>`
      }
    </${Row}>`
    }`;
}

function FilterSettings() {
  const { stride, padding, dilation, aggregation, bias, activation, pool } = setting.value;
  const count = picture.value.channels.length;
  return html`
    <${Row} name=${html`<${Term} word="padding">Padding</${Term}>`}>
      <${Choice} label="Padding" items=${PADDINGS} chosen=${typeof padding === "number" ? "number" : padding}
        write=${(key) => ({ padding: key === "number" ? 1 : key })} />
      ${
        typeof padding === "number" &&
        html`<${NumberField} label="padding" value=${padding} low=${0} high=${LIMITS.padding} onChange=${(value) => change({ padding: value })} />`
      }
    </${Row}>
    <${Row} name=${html`<${Term} word="stride">Stride</${Term}>`}>
      <${NumberField} label="stride" value=${stride} low=${1} high=${LIMITS.stride} onChange=${(value) => change({ stride: value })} />
    </${Row}>
    <${Row} name=${html`<${Term} word="dilation">Dilation</${Term}>`}>
      <${NumberField} label="dilation" value=${dilation} low=${1} high=${LIMITS.dilation} onChange=${(value) => change({ dilation: value })} />
    </${Row}>
    ${
      count > 1 &&
      html`<${Row} name=${html`<${Term} word="aggregation">Aggregation</${Term}>`}>
      <${Choice} label="Aggregation" class="chips" itemClass="chip" items=${SIMPLE_AGGREGATIONS.map((name) => ({ key: name, label: name, body: name }))}
        chosen=${aggregation} set="aggregation" />
      <span class="settings-note muted">The simple ones, computed in the browser; all of the library's are in the other views.</span>
    </${Row}>`
    }
    <${Row} name=${html`<${Term} word="bias">Bias</${Term}>`}>
      <${NumberField} label="bias" value=${bias} low=${-LIMITS.bias} high=${LIMITS.bias} any=${true} onChange=${(value) => change({ bias: value })} />
    </${Row}>
    <${Row} name=${html`<${Term} word="activation">Activation</${Term}>`}>
      <${Choice} label="Activation" items=${ACTIVATIONS} chosen=${activation} set="activation" />
    </${Row}>
    <${Row} name=${html`<${Term} word="pooling">Max-pooling</${Term}>`}>
      <${Choice} label="Max-pooling" items=${POOLS} chosen=${pool} set="pool" />
    </${Row}>`;
}

function StackSettings() {
  const { stack, between, width } = setting.value;
  return html`
    <${Row} name="Layers"><${Choice} label="Layers" items=${DEPTHS} chosen=${stack} set="stack" /></${Row}>
    <${Row} name="In between"><${Choice} label="In between" items=${BETWEEN} chosen=${between} set="between" /></${Row}>
    <${Row} name="Channels">
      <${NumberField} label="channels of each layer" value=${width} low=${1} high=${LIMITS.width} onChange=${(value) => change({ width: value })} />
      <span class="settings-note muted">for the costs below; the maps shown have one.</span>
    </${Row}>`;
}

function Row({ name, children }) {
  return html`<div class="settings-row"><span class="settings-name">${name}</span><span class="settings-value">${children}</span></div>`;
}

/** One of a few: `set` names the part of the setting that the key becomes; `write` makes the parts of it. */
function Choice({ label, items, chosen, set, write = (key) => ({ [set]: key }), ...looks }) {
  return html`<${Radios} ...${looks} label=${label} items=${items}
    chosen=${chosen} onChoose=${(key) => change(write(key))} />`;
}
