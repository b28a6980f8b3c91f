/** Marks what a step speaks of, brings it onto the screen, and keeps the panel off it. */

const LOOK_EVERY_MS = 150; // what a step speaks of may still be on its way, or be drawn anew
const SETTLE_MS = 2500; // as long as the page may still move under what has come
const GLIDE_MS = 700; // a smooth scroll takes no longer
const MOST_MARKED = 12;
const [EDGE, GAP] = [16, 14]; // pixels between panel and window, and around what is marked
const BY_HAND = ["wheel", "touchmove", "pointerdown", "keydown"];

export class Spotlight {
  /**
   * @param {HTMLElement} panel
   * @param {() => string} at selectors, of which the first that finds something counts; "" marks nothing
   */
  constructor(panel, at) {
    this.panel = panel;
    this.at = at;
    this.marked = [];
    this.until = 0; // till when the page is moved so that the mark is seen
    this.left = false; // whether the person moves the page by hand: nobody is pulled back
    this.asked = { top: null, at: 0 }; // where the page was asked to scroll, and when
    this.release = () => (this.left = true);
    for (const name of BY_HAND) addEventListener(name, this.release, { passive: true });
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.look();
  }

  /** Unmark everything. */
  end() {
    clearInterval(this.timer);
    for (const name of BY_HAND) removeEventListener(name, this.release);
    this.mark([]);
    document.documentElement.style.removeProperty("--tour-room");
  }

  look() {
    document.documentElement.style.setProperty("--tour-room", `${this.panel.offsetHeight + EDGE}px`);
    this.mark(found(this.at()).slice(0, MOST_MARKED));
    if (this.marked.length && !this.left && performance.now() < this.until) this.show();
  }

  mark(elements) {
    for (const old of this.marked) if (!elements.includes(old)) delete old.dataset.tourMark;
    for (const element of elements) element.dataset.tourMark = "here";
    if (elements[0] !== this.marked[0]) this.until = performance.now() + SETTLE_MS;
    this.marked = elements;
  }

  /** Scroll until all that is marked, or as much as there is room for, can be seen beside or above the panel. */
  show() {
    const { offsetWidth: wide, offsetHeight: high } = this.panel;
    const all = union(this.marked);
    const free = { right: all.right + GAP < innerWidth - EDGE - wide, left: all.left - GAP > EDGE + wide };
    const side = this.panel.dataset.side ?? "right";
    const beside = free[side] ? side : free.right ? "right" : free.left ? "left" : null;
    this.panel.dataset.side = beside ?? side;
    const room = innerHeight - (beside ? 0 : high + EDGE) - 2 * GAP;
    const box = all.bottom - all.top <= room ? all : union(this.marked.slice(0, 1));
    const height = box.bottom - box.top;
    if (box.top >= GAP && box.bottom <= GAP + room) return;
    const top = Math.max(0, Math.round(scrollY + box.top - GAP - Math.max(0, (room - height) / 2)));
    const now = performance.now();
    if (top === this.asked.top && now - this.asked.at < GLIDE_MS) return; // it is on its way
    this.asked = { top, at: now };
    scrollTo({ top, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
  }
}

/** The elements on the page that the first fitting selector finds. */
function found(selectors) {
  for (const selector of selectors.split(", ").filter(Boolean)) {
    const elements = [...document.querySelectorAll(selector)].filter(isThere);
    if (elements.length) return elements;
  }
  return [];
}

function isThere(element) {
  const { width, height } = element.getBoundingClientRect();
  return width > 0 && height > 0;
}

/** The box around elements, in pixels of the window. */
function union(elements) {
  const boxes = elements.map((element) => element.getBoundingClientRect());
  return {
    top: Math.min(...boxes.map(({ top }) => top)),
    bottom: Math.max(...boxes.map(({ bottom }) => bottom)),
    left: Math.min(...boxes.map(({ left }) => left)),
    right: Math.max(...boxes.map(({ right }) => right)),
  };
}
