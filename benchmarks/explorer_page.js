/**
 * Times what a person waits for, inside the page that is measured. A moment counts as reached when a frame with it
 * has been handed over: the first task after the animation frame in which it was drawn.
 */
(() => {
  const probe = { drawings: [], moves: [], keys: [], shifts: 0 };
  window.probe = probe;

  /** Weakly, or the memory that is measured would be that of all maps ever drawn. */
  const drew = (picture) => probe.drawings.push({ picture: new WeakRef(picture), at: performance.now() });

  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...options) {
    drew(this.canvas);
    return put.apply(this, options);
  };

  const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
  Object.defineProperty(HTMLImageElement.prototype, "src", {
    ...source,
    set(address) {
      drew(this);
      source.set.call(this, address);
    },
  });

  /** Resolves with the time at which the next frame has been handed over. */
  const frame = () =>
    new Promise((resolve) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(performance.now());
        port2.postMessage(null);
      });
    });

  const seen = (drawing) => {
    const picture = drawing.picture.deref();
    if (!picture) return false;
    const { top, bottom } = picture.getBoundingClientRect();
    return picture.isConnected && bottom > 0 && top < innerHeight && picture.closest(".chain") !== null;
  };

  /** When the maps of the chain on the screen had been drawn, once `wanted` says it is the right one. */
  probe.drawn = async (wanted, since = 0) => {
    const frames = [];
    for (let quiet = 0; quiet < 3; ) {
      const count = probe.drawings.length;
      frames.push(await frame());
      const ready = document.querySelector(".chain[data-pending=false]")?.dataset.filter;
      quiet = count === probe.drawings.length && ready && (!wanted || ready === wanted) ? quiet + 1 : 0;
    }
    const last = probe.drawings.filter(({ at }) => at >= since).filter(seen).at(-1);
    return { from: since, to: frames.find((at) => at > last?.at) ?? NaN };
  };

  addEventListener("keydown", (event) => (probe.pressed = event.timeStamp), true);

  addEventListener(
    "pointermove",
    (event) => {
      const [asked, heard] = [event.timeStamp, performance.now()];
      const before = document.querySelector(".sentence")?.dataset.pixel;
      void frame().then((at) => {
        const changed = document.querySelector(".sentence")?.dataset.pixel !== before;
        probe.moves.push({ changed, whole: at - asked, work: at - heard });
      });
    },
    true,
  );

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) probe.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
})();
