/** Every class with its score, e to the power of it, and its share. */

import { format, formatShare } from "../../numbers/format.js";
import { asked, askWhy, everyClass } from "../../state/answer.js";
import { html } from "../html.js";
import { Term } from "../term.js";

const FIRST = 10;

export function Classes({ rows, document, pointed }) {
  const shown = everyClass.value ? rows : rows.slice(0, FIRST);
  const asks = rows.find(({ index }) => index === asked.value.of);
  const listed = asks && !shown.includes(asks) ? [...shown, asks] : shown;
  const [scores, powers] = [Boolean(document.arrays.scores), Boolean(document.arrays.powers)];
  return html`<div class="answer-classes">
    <table>
      <thead><tr>
        <th scope="col">class</th>
        ${scores && html`<th scope="col"><${Term} word="score" /></th>`}
        ${powers && html`<th scope="col">e<sup>score − max</sup></th>`}
        <th scope="col"><${Term} word=${document.ending === "sigmoid" ? "share of its own" : "prediction"}>share</${Term}></th>
      </tr></thead>
      <tbody>${listed.map(
        (row) => html`<tr
          key=${row.index} data-class=${row.index} data-chosen=${row.index === asked.value.of}
          onPointerEnter=${() => (pointed.value = row.index)} onPointerLeave=${() => (pointed.value = null)} onClick=${() => askWhy(row.index)}
        >
          <th scope="row"><button type="button" aria-pressed=${row.index === asked.value.of} title=${row.name}
            onFocus=${() => (pointed.value = row.index)} onBlur=${() => (pointed.value = null)}>${row.name}</button></th>
          ${scores && html`<td>${format(row.score)}</td>`}
          ${powers && html`<td>${format(row.power)}</td>`}
          <td>${formatShare(row.share)}<span class="share-bar" style=${{ "--share": row.share }}></span></td>
        </tr>`,
      )}</tbody>
    </table>
    ${
      rows.length > FIRST &&
      html`<button type="button" class="link" aria-expanded=${everyClass.value} onClick=${() => (everyClass.value = !everyClass.value)}>
        ${everyClass.value ? "Only the best ten" : `All ${rows.length}${document.count > rows.length ? ` of ${document.count}` : ""} classes`}
      </button>`
    }
  </div>`;
}
