/** Requests by name, of which the newest wins; and a server that is away is asked until it is back. */

import { SourceError } from "../data/source.js";
import * as store from "./store.js";

const RETRY_MS = 2000;

/** Whoever loads something: it has a `source`, and `resume()`, which loads again what is missing. */
export class Requests {
  requests = {};

  /** Nobody waits for a request any more. */
  withdraw(name) {
    this.requests[name]?.abort();
  }

  /** Run a request under a name; a newer one of the same name withdraws it. */
  async newest(name, run) {
    this.requests[name]?.abort();
    const controller = new AbortController();
    this.requests[name] = controller;
    try {
      await run(controller.signal);
      if (!controller.signal.aborted) store.offline.value = false;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof SourceError)) throw error;
      if (error.kind === "offline") this.waitForServer();
      else store.problem.value = error.facts;
    }
  }

  /** Run a request whose result fills a view; why it is refused stands there, in its place, and not over it. */
  into(result, refusal, name, run) {
    refusal.value = null;
    return this.newest(name, async (signal) => {
      try {
        const found = await run(signal);
        if (!signal.aborted) result.value = found;
      } catch (error) {
        if (error.kind !== "refused" || signal.aborted) throw error;
        refusal.value = error.facts;
      }
    });
  }

  /** Ask for a sign of life until there is one, then load what is missing. */
  waitForServer() {
    if (store.offline.value) return;
    store.offline.value = true;
    const ask = async () => {
      try {
        await this.source.alive();
      } catch (error) {
        if (error instanceof SourceError && error.kind === "offline") setTimeout(ask, RETRY_MS);
        else store.problem.value = error.facts;
        return;
      }
      store.offline.value = false;
      this.resume();
    };
    setTimeout(ask, RETRY_MS);
  }
}
