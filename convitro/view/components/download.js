/** A file to keep, made on this page. */

/**
 * Let the person save a text.
 * @param {string} name of the file
 * @param {string} text
 * @param {string} type its media type
 */
export function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
