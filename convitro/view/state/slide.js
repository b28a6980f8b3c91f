/** A kernel slides over its input, one output pixel after the other, and what it makes fills behind it. */

import { computed, effect, signal } from "@preact/signals";
import * as play from "./play.js";
import * as store from "./store.js";

const FEWEST_PER_SECOND = 1;
const SHORTEST_S = 3; // at full speed the whole map takes so long

/** How fast, 0 … 1: from one pixel a second to the whole map in three. */
export const pace = signal(0.6);

const less = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the person asked for less motion: then it goes by hand only. */
export const still = signal(less.matches);
less.addEventListener("change", ({ matches }) => (still.value = matches));

/** The slide of one view: it stops when the person points, or looks elsewhere. */
export class Slide {
  /**
   * @param {{
   *   view: string, count: () => number, reached: import("@preact/signals").Signal<number | null>,
   *   pointed: import("@preact/signals").Signal<object | null>
   * }} of `count` is how many output pixels there are, 0 where there is nothing to slide over; `reached` is the one it
   *   has come to, in reading order, null where all are shown
   */
  constructor({ view, count, reached, pointed }) {
    Object.assign(this, { view, count, reached, pointed });
    /** Whether it moves by itself. */
    this.sliding = signal(false);
    /** Output pixels a second. */
    this.perSecond = computed(() => FEWEST_PER_SECOND * Math.max(count() / SHORTEST_S, 1) ** pace.value);
    this.frame = 0;
    effect(() => this.run());
    effect(() => {
      if (pointed.value !== null) this.sliding.value = false;
    });
  }

  /** Go so many pixels on; at the end everything is shown again. */
  by(steps) {
    if (!this.count()) return;
    this.pointed.value = null;
    const reached = this.reached.peek();
    const next = reached === null ? (steps > 0 ? 0 : this.count() - 1) : reached + steps;
    if (next >= this.count() || next < 0) this.stop();
    else this.reached.value = next;
  }

  /** Start, go on, or pause. */
  toggle() {
    if (!this.count() || still.value) return;
    this.pointed.value = null;
    if (!this.sliding.value && this.reached.value === null) this.reached.value = 0;
    this.sliding.value = !this.sliding.value;
  }

  /** Show the whole result. */
  stop() {
    this.sliding.value = false;
    this.reached.value = null;
  }

  /** Move with the screen's frames for as long as it slides. */
  run() {
    if (this.frame) cancelAnimationFrame(this.frame);
    if (!this.sliding.value) return;
    if (store.view.value !== this.view || still.value || !this.count() || this.reached.peek() === null) {
      this.sliding.value = false;
      return;
    }
    const rate = this.perSecond.value;
    let [last, owed] = [null, 0]; // the first frame's own time: it may lie before this moment
    const move = (now) => {
      last ??= now;
      owed += (Math.min(now - last, 250) / 1000) * rate; // a hidden page does not leap when it is seen again
      last = now;
      const steps = Math.floor(owed);
      owed -= steps;
      if (steps) this.by(steps);
      if (this.sliding.peek()) this.frame = requestAnimationFrame(move);
    };
    this.frame = requestAnimationFrame(move);
  }
}

/** The slides by the views that have one. */
export const SLIDES = {
  play: new Slide({
    view: "play",
    count: () => (play.result.value.empty || play.setting.value.stack ? 0 : play.count()),
    reached: play.reached,
    pointed: play.pointed,
  }),
  filter: new Slide({
    view: "filter",
    count: () => {
      const [rows, columns] = store.chain.value?.layer.output_size ?? [0, 0];
      return store.reachable.value ? rows * columns : 0;
    },
    reached: store.reached,
    pointed: store.hovered,
  }),
};

/** Another filter, layer or picture is another map: all of it is shown. */
effect(() => {
  void [store.layerName.value, store.filterIndex.value, store.pictureId.value];
  SLIDES.filter.stop();
});
