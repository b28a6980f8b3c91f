/** A modal dialog: the browser's own, so that focus and Escape work as everywhere. */

import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";

/** @param {{title: string, onClose: () => void, children: any, class?: string}} props */
export function Dialog({ title, onClose, children, ...rest }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.showModal();
  }, []);
  const onClick = (event) => event.target === box.current && onClose(); // beside the dialog
  return html`<dialog ref=${box} class=${rest.class} aria-label=${title} onClose=${onClose} onClick=${onClick}>
    <div class="dialog-body">
      <header><h2>${title}</h2><button type="button" class="quiet round" aria-label="Close" onClick=${onClose}>×</button></header>
      ${children}
    </div>
  </dialog>`;
}
