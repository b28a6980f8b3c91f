/** What the open layer does, in two sentences with its own numbers. */

import { formatCount } from "../numbers/format.js";
import { mapsOf } from "../numbers/geometry.js";
import { stepFilter } from "../state/actions.js";
import { filterIndex, layer } from "../state/store.js";
import { html } from "./html.js";
import { Term } from "./term.js";

export function LayerHead() {
  const { name, in_channels: channels, out_channels: filters } = layer.value;
  const maps = mapsOf(layer.value);
  return html`<div class="layer-head">
    <div class="layer-headline">
      <h2 id="layer-name"><span class="muted">layer</span> ${name} <span class="muted">filter</span> ${filterIndex}</h2>
      <span class="stepper">
        <${Step} by=${-1} name="Previous filter" keyName="k" sign="‹" />
        <${Step} by=${1} name="Next filter" keyName="j" sign="›" />
      </span>
    </div>
    <p class="lead">
      This layer turns <b>${channels}</b> <${Term} word="channel">${plural("channel", channels)}</${Term}> into
      ${" "}<b>${maps}</b> ${plural("map", maps)} with ${filters} ${plural("filter", filters)}. <${EachFilter} />
      <span class="muted"> ${formatCount(layer.value.parameters)} parameters, ${formatCount(layer.value.macs)} MACs.</span>
    </p>
  </div>`;
}

function Step({ by, name, keyName, sign }) {
  const title = `${name} (${keyName})`;
  return html`<button type="button" class="quiet round" aria-label=${name} title=${title} onClick=${() => stepFilter(by)}>
    ${sign}
  </button>`;
}

/** How one filter makes one map of its channels. */
function EachFilter() {
  const { channels_per_filter: channels, groups, kernel_size: size } = layer.value;
  const kernels = html`<${Term} word="kernel">${plural("kernel", channels)}</${Term}> of ${size.join(" × ")}`;
  const start = html`Each <${Term} word="filter" /> has <b>${channels}</b> ${kernels}`;
  if (channels === 1) {
    const which = groups > 1 ? "for the one channel that it reads" : "for the one channel";
    return html`${start}, ${which}: so it makes <b>1</b> <${Term} word="partial map" />, and there is nothing to combine it with.`;
  }
  const which =
    groups > 1 ? `one for each of the ${channels} channels that it reads` : `one for each of the ${channels} channels`;
  const made = html`${start}, ${which}: so it makes <b>${channels}</b> <${Term} word="partial map">partial maps</${Term}>`;
  if (layer.value.separate) return html`${made}, and hands on all of them: they are kept apart.`;
  return html`${made}, and their <${Term} word="aggregation" /> is <b>one</b> map.`;
}

function plural(word, count) {
  return count === 1 ? word : `${word}s`;
}
