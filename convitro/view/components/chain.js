/** The chain of a filter: channels and kernels on the left, flowing into what is made of them on the right. */

import { useLayoutEffect, useState } from "preact/hooks";
import { inputScale } from "../numbers/scale.js";
import { turnPage } from "../state/actions.js";
import { productLimit } from "../state/parts.js";
import { chain, chainPending, filterIndex, layerName, offline, rowOrder, sharedScale } from "../state/store.js";
import { ChannelRow } from "./channelrow.js";
import { html } from "./html.js";
import { Legend } from "./legend.js";
import { Results } from "./results.js";
import { Term } from "./term.js";

const FEW_ROWS = 6; // on a narrow screen, where the results stand below the rows
const narrow = matchMedia("(max-width: 1000px)");

export function Chain() {
  const { layer, filter, inputs, document, start } = chain.value;
  const stale = layer.name !== layerName.value || filter !== filterIndex.value; // and what is asked for may never come
  const channels = inputs.channels;
  const [rows, setRows] = useState(narrow.matches ? FEW_ROWS : channels.length);
  useLayoutEffect(() => setRows(narrow.matches ? FEW_ROWS : layer.channels_per_page), [layer.name, start]);
  const shown = rowOrder.value.slice(0, rows);
  return html`<div
    class="chain"
    data-pending=${chainPending.value || (stale && offline.value)}
    data-filter="${layer.name}:${filter}"
    data-aggregation=${document.aggregation}
  >
    ${stale && offline.value && html`<p class="stale">Here is still filter ${filter} of layer ${layer.name}: the one above cannot be had until the explorer answers.</p>`}
    <div class="channels">
      <${ColumnHeads} />
      <div class="rows">
        ${shown.map((index, row) => {
          const channel = channels[index];
          return html`<${ChannelRow} key=${channel} channel=${channel} index=${index} first=${row === 0} />`;
        })}
      </div>
      ${
        rows < channels.length &&
        html`<button type="button" class="wide" onClick=${() => setRows(rows + FEW_ROWS)}>
        Show more of the ${channels.length} channels
      </button>`
      }
      <${Pages} />
    </div>
    <${Results} />
  </div>`;
}

function ColumnHeads() {
  const { layer, inputs, document } = chain.value;
  const shared = sharedScale.value;
  const scale = (limit) => (shared ? { kind: "diverging", limit } : null);
  const { limits } = document;
  return html`<div class="column-heads">
    <span class="head" data-column="input"><${Term} word="channel">${layer.raw_input ? "picture channel" : "input channel"}</${Term}>
      <${Legend} scale=${shared ? inputScale(layer, inputs, null) : null} /></span>
    <span class="head" data-column="patch"><${Term} word="patch" />
      <span class="legend">${Math.max(...layer.kernel_size) > 3 ? "click for numbers" : "as the channel"}</span></span>
    <span class="head" data-column="kernel"><${Term} word="kernel" /><${Legend} scale=${scale(limits.kernels)} /></span>
    <span class="head" data-column="products"><${Term} word="product">products</${Term}><${ProductLegend} /></span>
    <span class="head" data-column="partial"><${Term} word="partial map" /><${Legend} scale=${scale(limits.partial_maps)} /></span>
  </div>`;
}

/** Alone, because it follows the pointer. */
function ProductLegend() {
  return html`<${Legend} scale=${sharedScale.value ? { kind: "diverging", limit: productLimit.value } : null} />`;
}

/** Page buttons, where a filter reads more channels than one page holds. */
function Pages() {
  const { layer, start, inputs } = chain.value;
  const [total, size] = [layer.channels_per_filter, layer.channels_per_page];
  if (total <= size) return null;
  const last = start + inputs.channels.length;
  const before = Math.max(0, start - size);
  return html`<nav class="pages" aria-label="Pages of channels">
    <button type="button" class="quiet" disabled=${start === 0} onClick=${() => turnPage(before)}>‹ Previous</button>
    <span>channels ${start} to ${last - 1} of ${total}</span>
    <button type="button" class="quiet" disabled=${last >= total} onClick=${() => turnPage(start + size)}>Next ›</button>
  </nav>`;
}
