// What the user is to know, in words, one paragraph a matter. A matter that is over is taken back.

import { element } from "./utterances.js";

export class Notices {
  constructor(box) {
    this.box = box;
    this.shown = new Map();
  }

  show(matter, text) {
    const known = this.shown.get(matter);
    if (known) {
      // A screen reader repeats what is set again.
      if (known.textContent !== text) known.textContent = text;
      return;
    }
    const node = element("p", { class: "notice" }, text);
    this.shown.set(matter, node);
    this.box.append(node);
  }

  hide(...matters) {
    for (const matter of matters) {
      this.shown.get(matter)?.remove();
      this.shown.delete(matter);
    }
  }

  clear() {
    this.hide(...this.shown.keys());
  }
}
