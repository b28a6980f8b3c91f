/** Brings in what the chosen things need. The newest request wins: an older one is withdrawn, or its answer dropped. */

import { batch, effect, untracked } from "@preact/signals";
import { DocumentCache } from "../data/cache.js";
import { clamp } from "../numbers/window.js";
import { asked, settleChoices } from "./actions.js";
import { whenIdle } from "./idle.js";
import * as store from "./store.js";
import * as aggregations from "./aggregations.js";
import { beside, others } from "./compared.js";
import { chooseModel, modelFile, modelProblem, models, opening, takeUpChoices } from "./models.js";
import { folded, unit } from "./network.js";
import { watched } from "./looking.js";
import { Requests } from "./requests.js";
import * as sees from "./sees.js";
import * as training from "./training.js";
import { table, tableRefusal } from "./table.js";

const OF_EVERY_NETWORK = ["network", "models", "model", "pictures", "upload"]; // requests
const PENDING_AFTER_MS = 150;
const MAPS_AT_ONCE = 2; // so that a chosen filter never waits behind a long row of layers

/** Loads documents from a source into the store. */
export class Loader extends Requests {
  /** @param {import("../data/source.js").ServerSource} source */
  constructor(source) {
    super();
    this.source = source;
    this.cache = new DocumentCache();
  }

  /** Follow the choices: from now on every change of one loads what it needs. */
  follow() {
    effect(() => void this.loadNetwork(store.pictureId.value, store.modelId.value));
    effect(() => {
      const layer = store.layer.value; // before the small maps: the server answers in the order of asking
      if (layer && store.filterIndex.value !== null && store.reachable.value)
        void this.loadChain(layer, store.filterIndex.value, store.pageStart.value, store.aggregationWord.value);
    });
    effect(() => void (store.network.value && this.loadMaps(store.network.value)));
    effect(() => {
      const opened = store.live.value && store.view.value === "filter" && store.chain.value;
      return opened ? this.loadNeighbours(opened) : undefined;
    });
    effect(() => {
      const shown = store.chain.value; // what all channels do to each other comes after the page's own
      const paged = shown && shown.layer.channels_per_filter > shown.layer.channels_per_page;
      const { picture } = untracked(() => store.network.value) ?? {};
      const kept = paged && store.isKept("cancellation", picture.id, shown.layer.name, shown.filter);
      this.withdraw("opposition");
      store.opposition.value = null;
      return kept ? whenIdle(() => void this.loadOpposition(shown.layer, shown.filter)) : undefined;
    });
  }

  /** Load a network on a picture; where it is refused, what is shown stays. */
  async loadNetwork(picture, model) {
    const shown = untracked(() => store.network.value);
    if (shown?.picture.id === picture && shown.model === model) {
      this.requests.network?.abort(); // back to what is shown, before another picture arrived
      return;
    }
    store.unopened.value = null;
    await this.newest("network", async (signal) => {
      const network = await this.source.network(picture, model, signal).catch((error) => {
        const refused = error.kind === "refused" && !signal.aborted;
        if (refused && !shown && !picture && !model) return void (store.unopened.value = error.facts); // there is nothing to go back to
        if (refused) backTo(shown, error.facts);
        throw error;
      });
      if (signal.aborted || !network) return;
      batch(() => {
        if (shown && shown.model !== model) this.forget();
        store.network.value = { ...network, model };
        store.layerMaps.value = {};
        store.pictureId.value = network.picture.id;
        takeUpChoices();
        settleChoices();
      });
    });
  }

  /** Nothing that came from the network before belongs to the next one. */
  forget() {
    for (const name of Object.keys(this.requests)) if (!OF_EVERY_NETWORK.includes(name)) this.withdraw(name);
    this.cache = new DocumentCache();
    store.chain.value = null;
    store.chainPending.value = false;
    store.opposition.value = null;
    store.detailed.value = null;
    const { projection, patches, health, healthRefusal, looked } = sees;
    for (const signal of [table, tableRefusal, projection, patches, health, healthRefusal, looked]) signal.value = null;
    beside.value = {};
    aggregations.forget();
    training.forget();
    unit.value = null;
    folded.value = new Set();
  }

  /** Load the networks to choose from. */
  loadModels() {
    return this.newest("models", async (signal) => {
      models.value = await this.source.models(signal);
    });
  }

  /** Hand in a model file and open it; why it was refused stands in its dialog. */
  openModel(file, takes) {
    return this.newest("model", async (signal) => {
      opening.value = file.name;
      signal.addEventListener("abort", () => (opening.value = ""));
      try {
        const { id } = await this.source.openModel(file, takes, signal);
        if (signal.aborted) return;
        modelFile.value = null;
        chooseModel(id);
      } catch (error) {
        if (error.kind !== "refused" || signal.aborted) throw error;
        modelProblem.value = error.facts;
      } finally {
        if (!signal.aborted) opening.value = "";
      }
    });
  }

  /** Load the small maps of the layers that lack them, from the first to the last. */
  loadMaps({ layers, picture }) {
    return this.newest("maps", async (signal) => {
      const known = untracked(() => store.layerMaps.value);
      const waiting = layers.map(({ name }) => name).filter((name) => !(name in known));
      const work = async () => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          const maps = await this.source.maps(picture.id, name, signal);
          if (signal.aborted) return;
          store.layerMaps.value = { ...store.layerMaps.value, [name]: maps };
        }
      };
      await Promise.all(Array.from({ length: MAPS_AT_ONCE }, work));
    });
  }

  /** Load a filter's chain; the old one stays on the page until the new one is whole. */
  async loadChain(layer, filter, start, word) {
    const picture = untracked(() => store.network.value.picture.id);
    const aggregation = asked(layer, word);
    await this.newest("chain", async (signal) => {
      const slow = setTimeout(() => (store.chainPending.value = true), PENDING_AFTER_MS);
      signal.addEventListener("abort", () => clearTimeout(slow));
      try {
        const wanted = { picture, layer, filter, start, aggregation };
        const [inputs, document] = await Promise.all([this.inputs(wanted, signal), this.filter(wanted, signal)]);
        if (signal.aborted) return;
        store.chain.value = { layer, filter, start, word, inputs, document };
      } finally {
        clearTimeout(slow);
        if (!signal.aborted) store.chainPending.value = false;
      }
    });
  }

  /** The channels that a filter reads; all filters of a group read the same ones. */
  inputs({ picture, layer, filter, start }, signal) {
    const group = Math.floor(filter / (layer.out_channels / layer.groups));
    return this.cache.get([picture, layer.name, group, start].join("\n"), () =>
      this.source.inputs(picture, layer.name, filter, start, signal),
    );
  }

  /** The chain of a filter. */
  filter({ picture, layer, filter, start, aggregation }, signal) {
    return this.cache.get([picture, layer.name, filter, start, aggregation].join("\n"), () =>
      this.source.filter(picture, layer.name, filter, start, aggregation, signal),
    );
  }

  /** Fetch the chains of the next and the previous filter ahead, once the page rests: they are what "j" and "k" open. */
  loadNeighbours({ layer, filter, start, word }) {
    const picture = untracked(() => store.network.value.picture.id);
    const aggregation = asked(layer, word);
    const controller = new AbortController();
    const rest = whenIdle(async () => {
      for (const by of [1, layer.out_channels - 1]) {
        const wanted = { picture, layer, filter: (filter + by) % layer.out_channels, start, aggregation };
        await this.filter(wanted, controller.signal).catch(() => {}); // nobody has asked for it yet
        if (controller.signal.aborted) return;
      }
    });
    return () => (rest(), controller.abort());
  }

  /** Load what comes back from a filter to the open picture; an empty pixel is the strongest. */
  loadProjection(layer, filter, pixel, method) {
    const picture = untracked(() => store.network.value?.picture.id ?? "");
    return this.newest("projection", async (signal) => {
      const found = await this.source.projection(picture, layer, filter, pixel, method, signal);
      if (!signal.aborted) sees.projection.value = found;
    });
  }

  /** Load the strongest patches of a filter. */
  loadPatches(layer, filter) {
    const picture = untracked(() => store.network.value?.picture.id ?? "");
    return this.newest("patches", async (signal) => {
      const key = ["patches", layer, filter].join("\n");
      const look = () => watched(this.source, () => this.source.patches(picture, layer, filter, signal), signal);
      const found = await this.cache.get(key, look);
      if (!signal.aborted) sees.patches.value = found;
    });
  }

  /** Load what a look over the network finds. */
  loadHealth() {
    return this.into(sees.health, sees.healthRefusal, "health", (signal) =>
      watched(this.source, () => this.source.health(signal), signal),
    );
  }

  /** Load the table of all layers. */
  loadTable() {
    return this.into(table, tableRefusal, "table", (signal) => this.source.table(signal));
  }

  /** Load which channels of a filter oppose each other at every pixel: more than a page shows. */
  loadOpposition(layer, filter) {
    const picture = untracked(() => store.network.value.picture.id);
    return this.newest("opposition", async (signal) => {
      const document = await this.cancellation(picture, layer, filter, signal);
      if (!signal.aborted) store.opposition.value = document;
    });
  }

  /** The document of a filter's cancellation. */
  cancellation(picture, layer, filter, signal) {
    return this.cache.get(["cancellation", picture, layer.name, filter].join("\n"), () =>
      this.source.cancellation(picture, layer.name, filter, signal),
    );
  }

  /** Load the pictures to choose from. */
  loadPictures() {
    return this.newest("pictures", async (signal) => {
      store.pictures.value = await this.source.pictures(signal);
    });
  }

  /** Hand in a picture and open it. */
  upload(file) {
    return this.newest("upload", async (signal) => {
      const { id } = await this.source.upload(file, signal);
      batch(() => {
        store.pictureId.value = id;
        store.picking.value = false;
        store.problem.value = null;
      });
    });
  }

  /** All that is open as one HTML file that opens as this page is; null where that was withdrawn. */
  async session() {
    let page = null;
    const { network, layer, layerName, filterIndex, pinned } = store;
    const pixel = pinned.value && layer.value && clamp(pinned.value, layer.value.output_size);
    const open = { picture: network.value.picture.id, layer: layerName.value, filter: filterIndex.value ?? 0 };
    const looked = {
      compare: others.value.join(","),
      pixel: pixel ? `${pixel.y},${pixel.x}` : "",
      epoch: training.epoch.value ?? "",
    };
    await this.newest("session", async (signal) => {
      page = await this.source.session({ ...open, ...looked, opening: location.hash.slice(1) }, signal);
    });
    return page;
  }

  /** Load again whatever the page should show and does not. */
  resume() {
    const { network, pictureId, layer, filterIndex, pageStart, aggregationWord } = store;
    const { modelId } = store;
    if (network.value?.picture.id !== pictureId.value || network.value.model !== modelId.value)
      void this.loadNetwork(pictureId.value, modelId.value);
    else void this.loadMaps(network.value);
    if (layer.value) {
      void this.loadChain(layer.value, filterIndex.value, pageStart.value, aggregationWord.value);
    }
  }
}

/** After a refusal: what the page shows, or the first of all where it shows nothing yet. */
function backTo(shown, facts) {
  batch(() => {
    store.problem.value = facts;
    store.modelId.value = shown?.model ?? "";
    store.pictureId.value = shown?.picture.id ?? "";
    settleChoices();
  });
}
