/** What the browser computed for elements, as rules of one style sheet: only what differs from no style at all. */

const INHERITED =
  /^(color|color-scheme|font.*|line-height|letter-spacing|word-(break|spacing)|overflow-wrap|white-space-collapse|text-(align|indent|transform|shadow|rendering|wrap-mode|wrap-style)|visibility|list-style-.*|border-(collapse|spacing)|image-rendering|tab-size|-webkit-font-smoothing)$/;
const NO_LOOK =
  /block|inline|^border-(start|end)|animation|transition|scroll|timeline|anchor|contain|cursor|pointer|touch|user|caret|origin|will-change|interactivity|^-webkit-(?!font-smoothing|line-clamp|box-orient)|^(d|c[xy]|r[xy]?|x|y|zoom|orphans|widows|speak|quotes|direction|unicode-bidi|writing-mode|math-.*|print.*|ruby.*|view-.*|text-size-adjust|hyphen.*)$/;
const DRAWN = /^(fill|stroke|opacity|color$|visibility$|vector-effect|paint-order)/;

/** A style sheet that grows with every element it is asked about; elements that look alike share a class. */
export class Styles {
  constructor() {
    const probe = document.body.appendChild(document.createElement("div"));
    probe.style.all = "initial";
    const initial = getComputedStyle(probe);
    const names = [...initial];
    this.laidOut = names.filter((name) => !NO_LOOK.test(name) && !/^(fill|stroke)/.test(name));
    this.drawn = names.filter((name) => DRAWN.test(name));
    this.initial = new Map(names.map((name) => [name, initial.getPropertyValue(name)]));
    probe.remove();
    this.classes = new Map(); // rules -> class
  }

  /**
   * The class that makes an element look as it does on the page.
   * @param {Element} element
   * @param {CSSStyleDeclaration} style computed
   * @param {CSSStyleDeclaration | null} parent what it inherits from
   * @param {string} more declarations to add
   */
  classOf(element, style, parent, more = "") {
    const drawn = element.namespaceURI.endsWith("svg") && element.localName !== "svg";
    const own = this.declarations(style, parent, drawn) + more;
    const pseudo = drawn ? "" : this.pseudo(element, "::before", style) + this.pseudo(element, "::after", style);
    const key = `&{${drawn ? "" : "all:unset;"}${own}}${pseudo}`;
    if (!this.classes.has(key)) this.classes.set(key, `s${this.classes.size.toString(36)}`);
    return this.classes.get(key);
  }

  /** All rules, each with its class. */
  text() {
    return [...this.classes].map(([rules, name]) => rules.replaceAll("&", `.${name}`)).join("\n");
  }

  pseudo(element, which, parent) {
    const style = getComputedStyle(element, which);
    const content = style.getPropertyValue("content");
    if (content === "none" || content === "normal") return "";
    return `&${which}{all:unset;content:${content};${this.declarations(style, parent, false)}}`;
  }

  declarations(style, parent, drawn) {
    const colour = style.getPropertyValue("color");
    const sticky = style.getPropertyValue("position") === "sticky";
    let text = "";
    for (const name of drawn ? this.drawn : this.laidOut) {
      let value = style.getPropertyValue(name);
      if (sticky && name === "position") value = "relative"; // in a picture nothing scrolls
      if (sticky && /^(top|right|bottom|left)$/.test(name)) continue;
      if (name.startsWith("overflow") && value !== "visible") value = "hidden";
      const before = INHERITED.test(name) ? parent?.getPropertyValue(name) : this.initial.get(name);
      const ownColour = value === colour && name.endsWith("-color") && name !== "background-color";
      if (value !== before && !ownColour) text += `${name}:${value};`;
    }
    return text;
  }
}
