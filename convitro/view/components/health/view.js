/** What a look over the network finds: each finding leads to its filter; a healthy network has none. */

import { useEffect, useState } from "preact/hooks";
import { format, formatShare } from "../../numbers/format.js";
import { chooseLayer } from "../../state/actions.js";
import { findings, health, healthRefusal, looked } from "../../state/sees.js";
import { network, offline } from "../../state/store.js";
import { chooseView } from "../../state/views.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";
import { Waiting } from "../waiting.js";

const FIRST = 6; // findings of a kind

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function HealthView({ loader }) {
  useEffect(() => {
    if (network.value && !health.value) void loader.loadHealth();
  }, [network.value?.model, offline.value]);
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  if (!health.value) return html`<${Looking} again=${() => loader.loadHealth()} />`;
  const { images, data, findings: all, notes, layers } = health.value;
  if (!layers.length) return html`<${NoneToLookAt} />`;
  return html`<section class="view health-view" aria-labelledby="health-title">
    <h2 id="health-title">${all.length === 0 ? "A healthy network" : all.length === 1 ? "One finding" : `${all.length} findings`}</h2>
    <p class="lead">${network.value.name}, looked over on ${images} images (${data}). ${
      all.length === 0
        ? "No filter is dead, looks like noise or repeats another, none is stuck at the end of its activation, and no layer’s values vanish or explode."
        : "Each finding has a number, the threshold that it passed, and something to try. A click opens the filter."
    }</p>
    ${findings.value.map(([kind, group]) => html`<${Group} key=${kind} kind=${kind} group=${group} />`)}
    <${Layers} />
    ${notes.map((note) => html`<p class="muted">${note}</p>`)}
  </section>`;
}

function NoneToLookAt() {
  return html`<section class="view health-view" aria-labelledby="health-title">
    <h2 id="health-title">Nothing to look over</h2>
    <p class="lead">${network.value.name} has no two-dimensional convolution, and those are what is looked at here.</p>
  </section>`;
}

/** What the network is doing until its findings are here. */
function Looking({ again }) {
  const { name, layers } = network.value;
  const words = html`Images pass through ${name}, and every map of its <b>${layers.length}</b> ${layers.length === 1 ? "layer" : "layers"} is
    measured on the way: whether its filters respond, repeat each other, look like noise or cancel out. It is done once; then the
    findings stand here.`;
  const { doing, done, total } = looked.value ?? {};
  const ours = doing === "health" && total > 0;
  const steps = { health: done < total ? `${done} of ${total} images` : `All ${total} images are seen: weighing what was found …`, patches: "The network still looks for strong patches; this is next." };
  return html`<${Waiting}
    title="Looking the network over" words=${words} step=${steps[doing] ?? "Getting images ready …"} share=${ours ? done / total : null}
    refusal=${healthRefusal.value} again=${again}
  />`;
}

/** The findings of a kind: of many only the first, since the next kind may be the more important one. */
function Group({ kind, group }) {
  const [all, showAll] = useState(false);
  const shown = all || group.length <= FIRST + 1 ? group : group.slice(0, FIRST);
  return html`<section class="findings" aria-label=${kind}>
    <h3>${kind} <span class="muted">${group.length}</span></h3>
    <p class="muted">To try: ${group[0].advice}</p>
    <ul>${shown.map((found, index) => html`<${Finding} key=${index} found=${found} />`)}</ul>
    ${shown.length < group.length && html`<button type="button" class="link" onClick=${() => showAll(true)}>All ${group.length} of this kind</button>`}
  </section>`;
}

function Finding({ found }) {
  const { layer, filter, evidence, measure, value, threshold } = found;
  return html`<li>
    <${LayerName} name=${layer} filter=${filter} />
    <span> ${evidence} <span class="muted">(${measure}: ${shown(value)}, threshold ${shown(threshold)})</span></span>
  </li>`;
}

/** A layer, or one of its filters, and the way to it. */
function LayerName({ name, filter = null }) {
  const where = filter === null ? name : `${name}, filter ${filter}`;
  if (!network.value.layers.some((each) => each.name === name)) return html`<b>${where}</b>`;
  const open = () => {
    chooseLayer(name, filter ?? undefined);
    chooseView("filter");
  };
  return html`<button type="button" class="link" onClick=${open}>${where}</button>`;
}

function shown(value) {
  return typeof value === "number" ? format(value) : value;
}

/** Every layer in four numbers, healthy or not. */
function Layers() {
  const head = [
    ["layer", "the layer's own name"],
    ["filters", "how many it has"],
    ["active", "share of pixels that respond"],
    ["spread", "standard deviation of its maps"],
    ["cancels", "share of the partial maps that is lost in their sum; in brackets what chance alone would lose"],
  ];
  return html`<div class="table-scroll"><table>
    <thead><tr>${head.map(([title, words], index) => html`<th scope="col" key=${title} title=${words} data-numeric=${index > 0}>${title}</th>`)}</tr></thead>
    <tbody>${health.value.layers.map((state) => html`<tr key=${state.name}>
      <td><${LayerName} name=${state.name} /></td>
      <td data-numeric="true">${state.filters}</td>
      <td data-numeric="true">${state.active === null ? "" : formatShare(state.active)}</td>
      <td data-numeric="true">${shown(state.deviation)}</td>
      <td data-numeric="true">${state.cancellation === null ? "–" : `${formatShare(state.cancellation)} (${formatShare(state.baseline)})`}</td>
    </tr>`)}</tbody>
  </table></div>
  <dl class="health-words">${head.slice(2).map(([title, words]) => html`<div key=${title}><dt>${title}</dt><dd>${words}</dd></div>`)}</dl>`;
}
