/** A modal dialog: the browser's own, so that focus and Escape work as everywhere. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";

/** @param {{title: string, onClose: () => void, children: any, class?: string}} props */
export function Dialog({ title, onClose, children, ...rest }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    box.current.showModal();
  }, []);
  const close = () => {
    if (!box.current) return; // the browser tells of it once more, when it may be open anew already
    box.current.close(); // hands the focus back
    onClose();
  };
  const onClick = (event) => event.target === box.current && close(); // beside the dialog
  const onKeyDown = (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault(); // the browser closes it a moment later, which would lose a key pressed meanwhile
    close();
  };
  return html`<dialog ref=${box} class=${rest.class} aria-label=${title} onClose=${close} onClick=${onClick} onKeyDown=${onKeyDown}>
    <div class="dialog-body">
      <header><h2>${title}</h2><button type="button" class="quiet round" aria-label="Close" onClick=${close}>×</button></header>
      ${children}
    </div>
  </dialog>`;
}
