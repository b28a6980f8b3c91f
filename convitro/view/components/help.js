/** The keys and the words of the page. */

import { toggleShortcuts } from "../state/actions.js";
import { shortcutGroups } from "../state/keys.js";
import { helping, shortcuts } from "../state/store.js";
import { WORDS } from "../words.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";

const OTHER_KEYS = [
  { keys: ["←", "→", "↑", "↓"], words: "on a map: move the pixel (with Shift five steps); in a row: choose" },
  { keys: ["Home"], words: "on a map: the strongest pixel" },
  { keys: ["↑", "↓"], words: "on a number of a kernel: more, less (with Shift ten steps)" },
  { keys: ["Enter"], words: "on a number of a kernel: to the one below" },
  { keys: ["Tab"], words: "to the next control" },
];

export function HelpDialog() {
  return html`<${Dialog} class="help" title="Keys and words" onClose=${() => (helping.value = false)}>
    <div class="help-keys">
      ${shortcutGroups().map((group) => html`<${Keys} ...${group} />`)}
      <${Keys} title="Where the focus is" shortcuts=${OTHER_KEYS} />
      <label class="check"><input type="checkbox" checked=${shortcuts.value} onChange=${toggleShortcuts} /> single-key shortcuts</label>
    </div>
    <dl class="glossary">${Object.entries(WORDS).map(([word, text]) => html`<div><dt>${word}</dt><dd>${text}</dd></div>`)}</dl>
  </${Dialog}>`;
}

/** The keys of some views; `here` marks those of the open one. */
function Keys({ title, shortcuts: list, here = false }) {
  return html`<section class="keys" data-here=${here}>
    <h3>${title}${here && html` <span class="keys-here">open now</span>`}</h3>
    <dl>${list.map(
      ({ keys, words }) => html`<div><dt>${(keys.length > 4 ? [keys[0], "…", keys.at(-1)] : keys).map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${words}</dd></div>`,
    )}</dl>
  </section>`;
}
