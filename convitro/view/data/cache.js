/** Documents kept for a while: the least recently used go first when they take too much memory. */

const MAX_BYTES = 32 * 2 ** 20; // some ten filters of the largest layers; the server answers again in a moment

/** A cache of documents by key. */
export class DocumentCache {
  constructor(maxBytes = MAX_BYTES) {
    this.maxBytes = maxBytes;
    this.bytes = 0;
    this.entries = new Map();
    this.coming = new Map(); // key -> promise
  }

  /**
   * The document of a key, fetched once.
   * @param {string} key
   * @param {() => Promise<object>} fetchIt
   */
  async get(key, fetchIt) {
    const known = this.entries.get(key);
    if (known) {
      this.entries.delete(key);
      this.entries.set(key, known);
      return known;
    }
    const ahead = await this.coming.get(key)?.catch(() => null); // asked for already, by someone who may give up
    if (ahead) return ahead;
    const request = fetchIt();
    this.coming.set(key, request);
    try {
      return this.keep(key, await request);
    } finally {
      if (this.coming.get(key) === request) this.coming.delete(key);
    }
  }

  keep(key, document) {
    if (!this.entries.has(key)) this.bytes += size(document);
    this.entries.set(key, document);
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.maxBytes || oldest === key) break;
      this.entries.delete(oldest);
      this.bytes -= size(old);
    }
    return document;
  }
}

function size(document) {
  return Object.values(document.arrays).reduce((total, { values }) => total + values.byteLength, 0);
}
