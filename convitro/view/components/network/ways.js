/** The ways that cross one row: straight through, into the node from above, out of it below. */

import { html } from "../html.js";

const [STEP, MARGIN] = [18, 12];

/** @param {{row: import("../../numbers/lanes.js").Row, lanes: number, height: number}} props */
export function Ways({ row: { node, lane, above, below, joins }, lanes, height }) {
  const width = MARGIN * 2 + (lanes - 1) * STEP;
  const x = (of) => MARGIN + of * STEP;
  const middle = height / 2;
  const through = above.filter((each) => below.includes(each) && !(each === lane && joins.includes(each)));
  const straight = through.filter((each) => each !== lane).map((each) => `M${x(each)} 0V${height}`);
  const into = joins.map((from) => `M${x(from)} 0C${x(from)} ${middle * 0.7} ${x(lane)} ${middle * 0.3} ${x(lane)} ${middle}`);
  const out = below.includes(lane) ? [`M${x(lane)} ${middle}V${height}`] : [];
  return html`<svg class="ways" width=${width} height=${height} viewBox="0 0 ${width} ${height}" aria-hidden="true">
    <path d=${[...straight, ...into, ...out].join("")} />
    <circle cx=${x(lane)} cy=${middle} r=${node.kind === "layer" || node.kind === "group" ? 5 : 3.5} />
  </svg>`;
}
