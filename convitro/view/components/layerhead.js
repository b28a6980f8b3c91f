/** What the open layer does, in two sentences with its own numbers. */

import { formatCount } from "../numbers/format.js";
import { stepFilter } from "../state/actions.js";
import { filterIndex, layer } from "../state/store.js";
import { html } from "./html.js";
import { Term } from "./term.js";

export function LayerHead() {
  const { name, channels_per_filter: channels, out_channels: filters, kernel_size: kernel, groups } = layer.value;
  const each = channels === 1 ? "its one channel" : groups > 1 ? `each of its ${channels} channels` : `each of the ${channels} channels`;
  return html`<div class="layer-head">
    <div class="layer-headline">
      <h2 id="layer-name">${name} <span class="muted">filter</span> ${filterIndex}</h2>
      <span class="stepper">
        <button type="button" class="quiet round" aria-label="Previous filter" title="Previous filter (k)" onClick=${() => stepFilter(-1)}>‹</button>
        <button type="button" class="quiet round" aria-label="Next filter" title="Next filter (j)" onClick=${() => stepFilter(1)}>›</button>
      </span>
    </div>
    <p class="lead">
      This layer turns <b>${layer.value.in_channels}</b> <${Term} word="channel">${plural("channel", layer.value.in_channels)}</${Term}> into
      ${" "}<b>${filters}</b> ${plural("map", filters)} with ${filters} ${plural("filter", filters)}. Each <${Term} word="filter" /> has
      ${" "}<b>${channels}</b> <${Term} word="kernel">${plural("kernel", channels)}</${Term}> of ${kernel.join(" × ")}, one for ${each}: so it makes
      ${" "}<b>${channels}</b> <${Term} word="partial map">partial ${plural("map", channels)}</${Term}>, and
      their <${Term} word="aggregation" /> is <b>one</b> map.
      <span class="muted"> ${formatCount(layer.value.parameters)} parameters, ${formatCount(layer.value.macs)} MACs.</span>
    </p>
  </div>`;
}

function plural(word, count) {
  return count === 1 ? word : `${word}s`;
}
