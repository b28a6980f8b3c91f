/** From the maps to the answer: the scores, the shares that softmax makes of them, and each score taken apart. */

import { useSignal } from "@preact/signals";
import { classRows, shareLines } from "../../numbers/answer.js";
import { answer, asked, stopAsking } from "../../state/answer.js";
import { network } from "../../state/store.js";
import { Dialog } from "../dialog.js";
import { html } from "../html.js";
import { Classes } from "./classes.js";
import { Why } from "./why.js";

export function AnswerDialog() {
  const document = answer.value;
  const pointed = useSignal(null); // the class under the pointer
  return html`<${Dialog} class="answer" title="How the answer comes about" onClose=${stopAsking}>
    ${document ? html`<${Content} document=${document} pointed=${pointed} />` : html`<p class="muted answer-wait" role="status">Following the maps to the answer …</p>`}
  </${Dialog}>`;
}

function Content({ document, pointed }) {
  const rows = classRows(document);
  const { of, against } = asked.value;
  const row = rows.find(({ index }) => index === (pointed.value ?? of)) ?? rows[0];
  return html`
    <p class="muted">${network.value.name} on ${network.value.picture.name}: ${document.words}.</p>
    <div class="answer-parts">
      <section aria-label="Scores and shares">
        <${Classes} rows=${rows} document=${document} pointed=${pointed} />
        <div class="answer-sum" data-class=${row.index} aria-live="polite">
          ${shareLines(document, row).map(({ text, result }) => html`<p class="line"><span>${text}</span><b>${result}</b></p>`)}
        </div>
      </section>
      <section aria-label="What the score is made of">
        <${Why} document=${document} rows=${rows} of=${of} against=${against} />
      </section>
    </div>`;
}
