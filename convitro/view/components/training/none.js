/** The view without a training: what it would show, and the two commands that make one. */

import { useState } from "preact/hooks";
import { network } from "../../state/store.js";
import { html } from "../html.js";

const COMMANDS = [
  ["Train a small network on handwritten digits, some seconds:", "convitro train -o runs/first"],
  ["Then follow it, while it still trains or later:", "convitro explore --run runs/first"],
];

export function NoTraining() {
  return html`<section class="view training-view training-none" aria-labelledby="training-title">
    <h2 id="training-title">Watch a network learn</h2>
    <p class="lead">This view shows a training epoch by epoch: how its loss falls, and how its filters turn from random noise into
      edges and colours, each with the map that it makes of your picture. Of ${network.value.name} only the end is here. Make a
      training of your own:</p>
    <ol class="commands">${COMMANDS.map(([words, command]) => html`<${Command} key=${command} words=${words} command=${command} />`)}</ol>
    <p class="muted">Other pictures: <code>--data</code> with a folder of CIFAR-10, MNIST or pictures by class. A network of
      yours: <code>convitro train my_networks:small_net -o runs/mine</code>.</p>
  </section>`;
}

function Command({ words, command }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      setCopied(true);
    } catch {
      setCopied(false); // a browser that forbids it: the text can be marked and copied by hand
    }
  };
  return html`<li>
    <p>${words}</p>
    <span class="command"><code>${command}</code>
      <button type="button" class="quiet" aria-label="Copy: ${command}" onClick=${copy}>${copied ? "Copied" : "Copy"}</button></span>
    <span class="only-heard" role="status">${copied ? `Copied: ${command}` : ""}</span>
  </li>`;
}
