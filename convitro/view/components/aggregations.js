/** How the channels are combined: every way the library knows, the trained one marked. */

import { chooseAggregation } from "../state/actions.js";
import { cardsKept } from "../state/aggregations.js";
import { aggregation, aggregationWord, combines, layer, network } from "../state/store.js";
import { html } from "./html.js";
import { Radios } from "./radios.js";
import { Term } from "./term.js";

export function Aggregations() {
  return cardsKept.value ? html`<${Choice} />` : html`<${Fixed} />`;
}

/** Without a server the channels cannot be combined anew, save those of a filter that was open when the page was saved. */
function Fixed() {
  const word = aggregationWord.value;
  return html`<div class="aggregations">
    <span class="aggregations-label"><${Term} word="aggregation">Aggregation</${Term}></span>
    <p class="aggregation-words">As trained, at every pixel <b>${word?.spec}</b>: ${word?.words}
      <span class="muted"> To see another one, start <code>convitro explore</code> with this network.</span></p>
  </div>`;
}

function Choice() {
  const trained = layer.value.aggregation;
  const names = network.value.aggregations.map(({ name }) => name);
  const items = network.value.aggregations.filter(combines).map(({ name, spec }) => ({
    key: spec,
    label: spec === trained ? `${spec}, as trained` : spec,
    body: html`${names.indexOf(name) === names.lastIndexOf(name) ? name : spec}
      ${spec === trained && html`<span class="trained-dot" title="as trained"></span>`}`,
  }));
  const word = aggregationWord.value;
  return html`<div class="aggregations">
    <span class="aggregations-label"><${Term} word="aggregation">Aggregation</${Term}></span>
    <${Radios}
      label="Aggregation: how the partial maps become one"
      class="chips"
      itemClass="chip"
      items=${items}
      chosen=${word?.spec}
      onChoose=${chooseAggregation}
    />
    <p class="aggregation-words">
      ${word?.spec === trained ? "As trained" : "Instead"}, at every pixel <b>${word?.spec}</b>: ${word?.words}
      ${aggregation.value &&
      html` <button type="button" class="link" onClick=${() => chooseAggregation("")}>back to ${trained}</button>`}
    </p>
  </div>`;
}
