/**
 * The only door to the data. Everything the page shows comes through an object with these methods; the server is one
 * such object, a report with the documents inside it can be another.
 */

import { readDocument } from "./document.js";

/** A request that failed. `kind`: "offline" (no answer), "refused" (an answer that says why). */
export class SourceError extends Error {
  /**
   * @param {"offline" | "refused"} kind
   * @param {{problem: string, expected?: string, received?: string, hint?: string}} facts
   */
  constructor(kind, facts) {
    super(facts.problem);
    this.kind = kind;
    this.facts = facts;
  }
}

/** Documents computed live by the explorer's server. */
export class ServerSource {
  /** @param {() => string} model the network that everything is asked of; "" is the server's first */
  constructor(model = () => "") {
    this.model = model;
  }

  /** A network on a picture: layers, picture, prediction. An empty id is the server's first picture, or network. */
  network(picture, model, signal) {
    return fetchDocument("network", { ...named(model), picture }, signal);
  }

  /** The networks to choose from. */
  async models(signal) {
    return (await (await answered("api/models", { signal })).json()).models;
  }

  /** Hand in a model file; what it takes may be empty. Resolves to {id, name}. */
  async openModel(file, takes, signal) {
    const query = new URLSearchParams({ name: file.name, ...takes });
    return (await answered(`api/model?${query}`, { method: "POST", body: file, signal })).json();
  }

  /** How the answer comes about; `classes` "3,5" are taken apart besides the best. */
  answer(picture, classes, signal) {
    return fetchDocument("answer", { picture, classes }, signal);
  }

  /** The pictures to choose from. */
  pictures(signal) {
    return this.ask("pictures", {}, signal);
  }

  /** Every layer with its sizes and costs. */
  table(signal) {
    return this.ask("table", {}, signal);
  }

  /** The small feature maps of a layer. */
  maps(picture, layer, signal) {
    return this.ask("maps", { picture, layer }, signal);
  }

  /** A page of the channels that a filter reads. */
  inputs(picture, layer, filter, start, signal) {
    return this.ask("inputs", { picture, layer, filter, start }, signal);
  }

  /** The chain of a filter; an empty aggregation is the trained one. */
  filter(picture, layer, filter, start, aggregation, signal) {
    return this.ask("filter", { picture, layer, filter, start, aggregation }, signal);
  }

  /** How far the channels of a filter cancel out. */
  cancellation(picture, layer, filter, signal) {
    return this.ask("cancellation", { picture, layer, filter }, signal);
  }

  /** The maps of a filter under an aggregation; an empty one is the trained one. */
  combined(picture, layer, filter, aggregation, signal) {
    return this.ask("combined", { picture, layer, filter, aggregation }, signal);
  }

  /** What a filter makes of one more picture, and what the network says of it. */
  compared(picture, layer, filter, aggregation, signal) {
    return this.ask("compared", { picture, layer, filter, aggregation }, signal);
  }

  /** What the network answers when a whole layer combines its channels another way. */
  outcome(picture, layer, aggregation, signal) {
    return this.ask("outcome", { picture, layer, aggregation }, signal);
  }

  /** What comes back from a filter to the picture; an empty pixel is the strongest one of its map. */
  projection(picture, layer, filter, pixel, method, signal) {
    return this.ask("projection", { picture, layer, filter, pixel, method }, signal);
  }

  /** The pieces of a data set that make a filter most active. */
  patches(picture, layer, filter, signal) {
    return this.ask("patches", { picture, layer, filter }, signal);
  }

  /** What a look over the network finds. */
  health(signal) {
    return this.ask("health", {}, signal);
  }

  /** How far the network has got with the images that it is passing: {doing: "health", "patches" or "", done, total}. */
  async looking(signal) {
    return (await answered(`api/looking?${new URLSearchParams(named(this.model()))}`, { signal })).json();
  }

  /** A page with the network on a picture inside, as bytes; `opening` is the address that it opens with. */
  async session(choices, signal) {
    return (await answered(`api/session?${new URLSearchParams({ ...named(this.model()), ...choices })}`, { signal })).blob();
  }

  /** Where the training of the network stands. */
  training(signal) {
    return fetchDocument("training", {}, signal);
  }

  /** A page of a layer's filters as they were after an epoch. */
  epoch(picture, layer, epoch, start, signal) {
    return fetchDocument("epoch", { picture, layer, epoch, start }, signal);
  }

  /** One filter as it was after an epoch. */
  epochFilter(picture, layer, epoch, filter, signal) {
    return fetchDocument("epoch_filter", { picture, layer, epoch, filter }, signal);
  }

  /** How far the filters of a layer have moved, epoch by epoch. */
  movement(picture, layer, signal) {
    return fetchDocument("movement", { picture, layer }, signal);
  }

  /** Hand in one's own picture. Resolves to {id, name}. */
  async upload(file, signal) {
    const headers = { "x-picture-name": encodeURIComponent((file.name || "").slice(0, 60)) };
    const response = await answered("api/picture", { method: "POST", body: file, headers, signal });
    return response.json();
  }

  ask(name, query, signal) {
    return fetchDocument(name, { ...named(this.model()), ...query }, signal);
  }

  /** Resolves when the server answers. */
  async alive() {
    await answered("api/alive", {});
  }
}

/** The parameter that names a network; the first one needs no name. */
function named(model) {
  return model ? { model } : {};
}

async function fetchDocument(name, query, signal) {
  const response = await answered(`api/${name}?${new URLSearchParams(query)}`, { signal });
  return readDocument(await response.arrayBuffer());
}

/** A good response, or a SourceError. An aborted request stays an AbortError. */
async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new SourceError("offline", { problem: "The explorer's server does not answer." });
  }
  if (response.ok) return response;
  const facts = await response.json().catch(() => ({ problem: `The server answered ${response.status}.` }));
  throw new SourceError("refused", facts);
}
