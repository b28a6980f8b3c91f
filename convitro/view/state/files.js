/** One's own picture: dropped anywhere, pasted anywhere, or chosen with the file button. A model may be dropped, too. */

import { signal } from "@preact/signals";
import { isModelFile, openModelFile } from "./models.js";
import { problem } from "./store.js";

const MAX_BYTES = 20 * 2 ** 20;

/** Whether a file is being dragged over the page. */
export const dragging = signal(false);

/**
 * Hand a file to the loader, unless it can be seen from here that the server would refuse it.
 * @param {import("./loader.js").Loader} loader
 * @param {File | null | undefined} file
 */
export function openFile(loader, file) {
  if (!file) return;
  if (file.size > MAX_BYTES) {
    problem.value = {
      problem: `${file.name || "This file"} is larger than 20 MB.`,
      hint: "make it smaller first; a network sees only a few hundred pixels of it",
    };
  } else if (file.type && !file.type.startsWith("image/")) {
    problem.value = {
      problem: `${file.name || "This file"} is not a picture.`,
      hint: "choose a PNG, JPEG or WebP file",
    };
  } else {
    problem.value = null;
    void loader.upload(file);
  }
}

/** Listen for files that are dropped or pasted. */
export function followFiles(loader) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dragging.value = true;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) dragging.value = false;
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dragging.value = false;
    const [file] = event.dataTransfer.files;
    if (file && isModelFile(file)) openModelFile(loader, file);
    else openFile(loader, file);
  });
  addEventListener("paste", (event) => openFile(loader, event.clipboardData?.files[0]));
}
