/** One filter under every aggregation, side by side; how far its channels cancel; what the network then answers. */

import { signedScale } from "../../numbers/scale.js";
import { cards, cardsKept, chooseMapKind, combined, keptApart, mapKind, progress, working } from "../../state/aggregations.js";
import { layer, network, sharedScale } from "../../state/store.js";
import { FilterPicker } from "../filters.js";
import { NoLayers } from "../filterview.js";
import { html } from "../html.js";
import { LayerHead } from "../layerhead.js";
import { Legend } from "../legend.js";
import { NotKept } from "../notkept.js";
import { Opening } from "../opening.js";
import { Overview } from "../overview.js";
import { Radios } from "../radios.js";
import { Term } from "../term.js";
import { Cancelling } from "./cancelling.js";
import { AggregationCard } from "./card.js";

const KINDS = [
  { key: "activated", label: "feature maps", body: "feature maps" },
  { key: "aggregated", label: "aggregated maps", body: "aggregated maps" },
];

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function AggregationView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  return html`<${Overview} />
    ${layer.value ? html`<${Comparing} />` : html`<${NoLayers} />`}`;
}

function Comparing() {
  return html`<section class="layer" aria-labelledby="layer-name">
    <${LayerHead} />
    <${FilterPicker} />
    ${cardsKept.value ? html`<${Combining} />` : html`<${NotKept} kind="combined">How else the channels of this filter combine is</${NotKept}>`}
  </section>`;
}

function Combining() {
  return html`<div class="combining">
    <div class="combining-head">
      <p class="lead"><b>The same kernels, combined in every way.</b> ${" "}<${Meaning} /></p>
      <div class="combining-choice"><${Kinds} /><${SharedLegend} /></div>
      <${Progress} />
    </div>
    <ul class="combining-cards" aria-label="Aggregations">
      ${cards.value.map((word) => html`<${AggregationCard} key=${word.spec} word=${word} />`)}
    </ul>
    <${Cancelling} />
  </div>`;
}

function Meaning() {
  const { aggregation, channels_per_filter: channels } = layer.value;
  if (channels === 1) {
    return html`Every filter of this layer reads <b>one</b> channel, so there is nothing to combine: ways that keep a single
      value all give the same map.`;
  }
  if (keptApart.value) {
    return html`This layer was trained with its partial maps <b>kept apart</b>: here is what each
      ${" "}<${Term} word="aggregation" /> would have made of them.`;
  }
  return html`Training found the weights for <b>${aggregation}</b>. Another <${Term} word="aggregation" /> shows what hangs on
    that choice, not what a network trained with it would do.`;
}

function Kinds() {
  return html`<${Radios}
    label="Which map the cards show"
    items=${KINDS}
    chosen=${mapKind.value}
    onChoose=${chooseMapKind}
  />`;
}

/** The scale of all cards is that of the trained map: what is stronger takes the colour of its end. */
function SharedLegend() {
  const limit = combined.value[layer.value.aggregation]?.document?.limits[mapKind.value];
  const shared = sharedScale.value && limit !== undefined;
  return html`<span class="combining-legend muted">
    ${sharedScale.value && !keptApart.value ? "on the trained map’s scale" : "colour scale:"} <${Legend} scale=${shared ? signedScale(limit, []) : null} />
  </span>`;
}

/** How far the cards are; those off the screen wait until they are looked at. */
function Progress() {
  const { done, total } = progress.value;
  const now = working.value;
  const words = now
    ? now.what === "maps"
      ? `combining the channels by ${now.spec}`
      : `running the network with ${now.spec}`
    : done < total
      ? "the rest follows as you scroll"
      : "";
  return html`<div class="combining-progress" data-done=${done === total} data-idle=${now === null}>
    <span class="progress-bar" role="progressbar" aria-label="Aggregations computed" aria-valuemin="0" aria-valuemax=${total}
      aria-valuenow=${done} style=${{ "--share": total ? done / total : 0 }}></span>
    <span class="muted">${done < total && html`${done} of ${total}`}${words && `: ${words}`}</span>
  </div>`;
}
