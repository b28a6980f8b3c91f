/** A file to keep, made on this page. */

/**
 * Let the person save a text, or bytes.
 * @param {string} name of the file
 * @param {string | Blob} content
 * @param {string} type its media type
 */
export function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
