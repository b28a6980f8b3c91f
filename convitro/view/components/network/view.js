/** The whole network: every layer with its maps, the ways between them, and what a pixel sees of the picture. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { foldAll, folded, groups, rows, search } from "../../state/network.js";
import { network, whole } from "../../state/store.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";
import { heightOf, NodeRow } from "./row.js";
import { Sight } from "./sight.js";

const BEYOND = 400; // pixels above and below the window that are drawn too

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function NetworkView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  const layers = network.value.layers.length;
  return html`<section class="view network-view" aria-labelledby="network-title">
    <h2 id="network-title">${network.value.name}</h2>
    <p class="lead">${layers} convolution ${layers === 1 ? "layer" : "layers"}, from the picture down to the answer. Each row
      shows the maps that a layer hands on; lines show what leads to what. Point at a map to see what its pixels see of the
      picture; click it to take its filter apart.</p>
    <${Tools} />
    <div class="network-columns">
      <${Sight} />
      <${Rows} />
    </div>
  </section>`;
}

function Tools() {
  const names = new Set(groups.value.values());
  return html`<div class="network-tools">
    <label><span class="only-heard">Search layers</span>
      <input type="search" placeholder="Search layers …" value=${search.value} onInput=${(event) => (search.value = event.target.value)} />
    </label>
    ${
      names.size > 0 &&
      html`<button type="button" class="quiet" onClick=${() => foldAll(folded.value.size < names.size)}>
      ${folded.value.size < names.size ? "Fold all groups" : "Unfold all"}
    </button>`
    }
    <span class="muted" role="status">${search.value.trim() ? `${rows.value.length} found` : ""}</span>
  </div>`;
}

/** Only the rows near the window are there; the others are an empty height above and below. */
function Rows() {
  const list = useRef(null);
  const [[top, bottom], setRange] = useState([0, 2000]);
  useLayoutEffect(() => {
    const look = () => {
      const rect = list.current?.getBoundingClientRect();
      if (rect) setRange([-rect.top - BEYOND, innerHeight - rect.top + BEYOND]);
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, []);
  const heights = rows.value.map(({ node }) => heightOf(node));
  const lanes = Math.max(1, ...rows.value.map(({ lane, above }) => Math.max(lane, ...above, 0) + 1));
  let [at, before, after] = [0, 0, 0];
  const shown = [];
  rows.value.forEach((row, index) => {
    const height = heights[index];
    if (at + height < top && !whole.value) before += height;
    else if (at > bottom && !whole.value) after += height;
    else shown.push(html`<${NodeRow} key=${row.node.name} row=${row} lanes=${lanes} />`);
    at += height;
  });
  if (!rows.value.length) return html`<p class="loading">No layer has these words in its name.</p>`;
  return html`<ol ref=${list} class="network-rows" style=${{ paddingTop: `${before}px`, paddingBottom: `${after}px` }}>${shown}</ol>`;
}
