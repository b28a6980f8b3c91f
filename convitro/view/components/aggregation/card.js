/** One aggregation: the map that it makes, how far that is from the trained one, what the network then answers. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { compare } from "../../numbers/arithmetic.js";
import { format, formatShare } from "../../numbers/format.js";
import { signedScale } from "../../numbers/scale.js";
import { hover, pin, unpin } from "../../state/actions.js";
import {
  answerKept,
  combined,
  keptApart,
  mapKind,
  onCardSeen,
  openUnder,
  outcomes,
  subject,
  tryAgain,
  working,
} from "../../state/aggregations.js";
import { aggregationWord, chain, focus, layer, live, network, sharedScale } from "../../state/store.js";
import { html } from "../html.js";
import { Legend } from "../legend.js";
import { MapView, pixelMark } from "../map.js";
import { useVisible } from "../visible.js";

/** @param {{word: {name: string, spec: string, words: string}}} props the aggregation as the library describes it */
export function AggregationCard({ word: { spec, words } }) {
  const card = useRef(null);
  const visible = useVisible(card);
  const seen = visible.value;
  useEffect(() => {
    onCardSeen(spec, seen);
    return () => onCardSeen(spec, false);
  }, [spec, seen]);
  const trained = spec === layer.value.aggregation;
  const found = combined.value[spec];
  return html`<li
    ref=${card}
    class="combining-card"
    data-aggregation=${spec}
    data-trained=${trained}
    data-chosen=${spec === aggregationWord.value?.spec}
    data-filter=${found?.document && `${found.document.layer}:${found.document.filter}`}
    data-pending=${found?.filter !== subject.value?.filter}
  >
    <h3>
      <button type="button" class="combining-open" title="Open the filter under ${spec}" onClick=${() => openUnder(spec)}>
        ${spec}<span class="only-heard">: open the filter with it</span></button>
      ${trained && html`<span class="combining-trained"><i class="trained-dot"></i> as trained</span>`}
      <span class="combining-arrow" aria-hidden="true">›</span>
    </h3>
    <p class="combining-words" title=${words}>${words}</p>
    ${found?.problem ? html`<${Problem} spec=${spec} facts=${found.problem} />` : html`<${Maps} spec=${spec} trained=${trained} found=${found} />`}
    <${Outcome} spec=${spec} trained=${trained} />
  </li>`;
}

/** The map and its numbers; an empty frame of the same size while it is on its way. */
function Maps({ spec, trained, found }) {
  const kind = mapKind.value;
  const size = layer.value.output_size;
  const values = found?.document?.arrays[kind].values;
  const reference = combined.value[layer.value.aggregation];
  const base = reference?.filter === found?.filter ? reference?.document?.arrays[kind].values : undefined;
  const difference = useMemo(
    () => (values && base && !trained ? compare(values, base) : null),
    [values, base, trained],
  );
  if (!values) {
    return html`<div class="combining-body"><div class="map absent"></div><${Numbers} alone=${trained || keptApart.value} /></div>`;
  }
  const shared = sharedScale.value ? reference?.document?.limits[kind] : undefined;
  const scale = signedScale(shared ?? null, values);
  const name = kind === "activated" ? "feature map" : "aggregated map";
  return html`<div class="combining-body">
    <div class="combining-map">
      <${MapView}
        values=${values} size=${size} scale=${scale} label="${name} under ${spec}, ${size[0]} rows, ${size[1]} columns"
        marks=${() => (here() ? [pixelMark(here())] : [])} onPoint=${hover} onPin=${pin}
        keys=${trained ? { at: () => here() ?? { y: 0, x: 0 }, onHome: unpin } : undefined}
      />
      <${Legend} scale=${scale} />
    </div>
    <${Numbers} values=${values} width=${size[1]} alone=${trained || keptApart.value} difference=${difference} />
  </div>`;
}

/** The pixel that the page looks at, once it belongs to this layer. */
function here() {
  return chain.value?.layer.name === layer.value.name ? focus.value : null;
}

/** @param {object} props `alone`: there is no trained map to compare with, or this is it */
function Numbers({ values, width, alone, difference }) {
  const none = Number.isNaN(difference?.correlation);
  return html`<dl class="combining-numbers">
    <div><dt>at this pixel</dt><dd class="value">${values && html`<${Value} values=${values} width=${width} />`}</dd></div>
    ${
      !alone &&
      html`<div data-number="difference"><dt title="mean of |this − trained| over all pixels">mean |difference|</dt>
        <dd class="number">${difference && format(difference.mean)}</dd></div>
      <div data-number="correlation"><dt title="1: the same picture up to brightness; none: one of both is flat">correlation</dt>
        <dd class="number">${difference && (none ? "none" : format(difference.correlation))}</dd></div>`
    }
  </dl>`;
}

/** Alone, because it follows the pointer. */
function Value({ values, width }) {
  const pixel = here();
  return pixel ? format(values[pixel.y * width + pixel.x]) : "";
}

function Problem({ spec, facts }) {
  const again = html`<button type="button" class="link" onClick=${() => tryAgain(spec)}>try again</button>`;
  return html`<p class="combining-problem"><b>${facts.problem}</b> ${facts.hint} ${live.value && again}</p>`;
}

/** What the network answers when every filter of the layer combines this way. */
function Outcome({ spec, trained }) {
  if (trained) return html`<${Answer} />`;
  if (keptApart.value) {
    return html`<p class="outcome" data-state="none">The next layer expects the maps apart, as trained.</p>`;
  }
  if (!answerKept(spec)) return html`<p class="outcome" data-state="none">The network had not run this way when this page was saved.</p>`;
  const found = outcomes.value[spec];
  if (!found) {
    const running = working.value?.spec === spec && working.value.what === "outcome";
    return html`<p class="outcome" data-state=${running ? "running" : "waiting"}>
      ${running ? "Running the network …" : "The network has not run yet"}
    </p>`;
  }
  if (found.problem) return html`<${Problem} spec=${spec} facts=${found.problem} />`;
  return html`<${Changed} ...${found.document} />`;
}

function Answer() {
  const [first] = network.value.prediction;
  return html`<p class="outcome" data-state="trained">
    ${first ? html`The network’s answer: <b>${first.name}</b> <${Share} value=${first.share} />` : "The network as it was trained"}
  </p>`;
}

/** @param {{then: object | null, now: object | null, change: number | null}} props as the document has them */
function Changed({ then, now, change }) {
  if (!then) {
    const words = change === null ? "numbers that cannot be compared" : `${formatShare(change)} away from the trained output`;
    return html`<p class="outcome" data-state="other"><span>With all filters: <b>${words}</b></span></p>`;
  }
  if (!now) return html`<p class="outcome" data-state="changed"><span><b>No answer</b>: the scores are no numbers</span></p>`;
  const same = now.index === then.index;
  return html`<p class="outcome" data-state=${same ? "same" : "changed"}>
    <span class="outcome-first">${same ? "Still" : "Now"} <b title=${now.name}>${now.name}</b></span>
    <${Way} ...${now} />
    ${!same && html`<span class="outcome-first muted">${then.name}</span><${Way} ...${then} />`}
  </p>`;
}

/** A class's share as trained and now. */
function Way({ before, after }) {
  return html`<span class="outcome-way"><${Share} value=${before} /> → <b><${Share} value=${after} /></b></span>`;
}

function Share({ value }) {
  return html`<span class="share">${formatShare(value)}</span>`;
}
