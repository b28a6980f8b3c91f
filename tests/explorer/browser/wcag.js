/** What WCAG 2.2 asks and a browser can measure. Each function returns the places that fall short, as text. */
(() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const named = (element) => {
    const marks = Object.entries(element.dataset ?? {}).map(([key, value]) => `[${key}=${value}]`).join("");
    return `${element.localName}.${[...element.classList].join(".")}${marks} "${(element.textContent ?? "").trim().slice(0, 30)}"`;
  };

  /** Any CSS colour as [red, green, blue, share]. */
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };

  /** Every colour that may lie behind an element: one, or those of a gradient. */
  const grounds = (element) => {
    if (!element) return [[255, 255, 255]];
    const style = getComputedStyle(element);
    const under = element.localName === "dialog" || style.position === "fixed" ? grounds(document.body) : grounds(element.parentElement);
    const own = rgba(style.backgroundColor);
    const painted = under.map((ground) => over(own, ground));
    const stops = style.backgroundImage.match(/(rgba?|color|oklab|oklch)\([^()]*\)/g) ?? [];
    return stops.length ? stops.flatMap((stop) => painted.map((ground) => over(rgba(stop), ground))) : painted;
  };

  const opacity = (element) => (element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1);
  const shown = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) &&
    element.closest(".only-heard, [inert]") === null;
  const openDialog = () => document.querySelector("dialog[open]");
  const inReach = (element) => !openDialog() || openDialog().contains(element);

  /** Text that is hard to read. What stands upon a map takes black or white by the map's own colour. */
  const contrast = () => {
    const found = [];
    const walker = document.createTreeWalker(openDialog() ?? document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode;
      const element = text.parentElement;
      if (!text.data.trim() || !shown(element) || element.closest(".map-digits, :disabled, script, style, noscript")) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      const { width, height } = range.getBoundingClientRect();
      if (width < 2 || height < 2) continue;
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const [r, g, b, a] = rgba(element.closest("svg") ? style.fill : style.color);
      const share = a * opacity(element);
      const least = Math.min(...grounds(element).map((ground) => ratio(over([r, g, b, share], ground), ground)));
      if (least < (large ? 3 : 4.5)) found.push(`${least.toFixed(2)} ${named(element)} in ${named(element.parentElement).split(" ")[0]}`);
    }
    return [...new Set(found)];
  };

  const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex], [role=button], [role=radio], [role=checkbox], [role=slider]";
  const controls = () =>
    [...document.querySelectorAll(CONTROLS)].filter(
      (element) => shown(element) && inReach(element) && !element.disabled && element.type !== "file" && !element.matches(".skip-link"),
    );

  /** Controls that Tab does not reach: neither alone, nor as one of a group, nor by the arrow keys of the field beside. */
  const unreached = () =>
    controls()
      .filter((element) => element.localName !== "main") // where the skip link leads
      .filter((element) => element.tabIndex < 0 && !element.parentElement.querySelector("input:not([tabindex='-1'])"))
      .filter((element) => {
        const kind = element.className || element.localName;
        const group = element.closest("[role=radiogroup], [role=tablist], [role=listbox], .rows, ol, ul, table, svg");
        return ![...(group?.querySelectorAll("[tabindex='0']") ?? [])].some((each) => (each.className || each.localName) === kind);
      })
      .map(named);

  /** Controls whose focus is not seen: no ring, or one too close in colour to what is around it. */
  const unseenFocus = () => {
    const before = document.activeElement;
    const found = controls().filter((element) => {
      if (element.tabIndex < 0) return false;
      document.activeElement?.blur(); // what has the focus already would not get its ring
      element.focus({ focusVisible: true, preventScroll: true });
      const style = [null, "::after"]
        .map((part) => getComputedStyle(element, part)) // a card's ring may be drawn by what makes all of it a target
        .find(({ outlineStyle, outlineWidth }) => outlineStyle !== "none" && parseFloat(outlineWidth) >= 1);
      if (!style) return true;
      const ring = rgba(style.outlineColor);
      const around = parseFloat(style.outlineOffset) < 0 ? element : element.parentElement;
      return Math.min(...grounds(around).map((ground) => ratio(over(ring, ground), ground))) < 3;
    });
    before?.focus({ preventScroll: true });
    return found.map(named);
  };

  /** Fields whose edge, or that of the box around them and their buttons, is not seen. */
  const unseenEdges = () =>
    controls()
      .filter((element) => element.matches("input:not([type=range], [type=checkbox], [type=radio], [type=color]), select, textarea"))
      .filter((element) => {
        const bare = parseFloat(getComputedStyle(element).borderBottomWidth) === 0;
        const field = bare ? element.parentElement : element;
        const [style, around] = [getComputedStyle(field), grounds(field.parentElement)[0]];
        const edge = parseFloat(style.borderBottomWidth) > 0 ? ratio(over(rgba(style.borderBottomColor), around), around) : 1;
        return Math.max(edge, ratio(grounds(field)[0], around)) < 3;
      })
      .map(named);

  const boxOf = (element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return { left, top, right: left + width, bottom: top + height, width, height };
  };
  const inSentence = (element) =>
    getComputedStyle(element).display.startsWith("inline") &&
    [...element.parentElement.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

  /** Controls under 24 by 24 pixels, unless they stand in a sentence or nothing else is within 12 of their middle. */
  const smallTargets = () => {
    const all = controls().filter((element) => !element.matches("[role=application], dialog"));
    return all
      .filter((element) => {
        const box = boxOf(element);
        if ((box.width >= 23.9 && box.height >= 23.9) || inSentence(element)) return false;
        const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
        return all.some((other) => {
          if (other === element || other.contains(element) || element.contains(other)) return false;
          const near = boxOf(other);
          const small = near.width < 24 || near.height < 24;
          const [dx, dy] = small
            ? [(near.left + near.right) / 2 - x, (near.top + near.bottom) / 2 - y]
            : [Math.max(near.left - x, 0, x - near.right), Math.max(near.top - y, 0, y - near.bottom)];
          return Math.hypot(dx, dy) < (small ? 24 : 12) - 0.1;
        });
      })
      .map((element) => `${boxOf(element).width.toFixed(0)}x${boxOf(element).height.toFixed(0)} ${named(element)}`);
  };

  /** What still moves. */
  const moving = () =>
    document
      .getAnimations()
      .filter(({ playState }) => playState === "running")
      .map(({ effect }) => named(effect.target));

  /** What reaches beyond the sides of the screen and makes the page scroll. */
  const sideways = () => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll("body *")].filter((each) => boxOf(each).right > innerWidth + 1).map(named).slice(0, 5);
  };

  window.wcag = { contrast, unreached, unseenFocus, unseenEdges, smallTargets, moving, sideways };
})();
