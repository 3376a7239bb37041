// The utterances as a list, the latest first, and the one that is being spoken as a caption. Whatever the server says goes
// in as text.

import { clock, likeliest, percentage, style, verdict } from "./session.js";

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The words: those that stand, those that may change, or those that are not to be trusted.
export function words(segment) {
  const text = (list) => list.map((word) => word.text).join(" ");
  if (segment.rejected) return [element("span", { class: "rejected" }, segment.text)];
  if (segment.words.length === 0) return [segment.text];
  const stable = text(segment.words.slice(0, segment.stable));
  const rest = text(segment.words.slice(segment.stable));
  return [stable, ...(rest ? [stable ? " " : "", element("span", { class: "unstable" }, rest)] : [])];
}

export function verdictOf(result, note = "") {
  const said = verdict(result);
  const symbol = element("span", { "aria-hidden": "true" }, `${said.symbol} `);
  return element("span", { class: `verdict tone-${said.tone}` }, symbol, said.text, note);
}

export class Utterances {
  constructor(list, empty, count) {
    this.list = list;
    this.empty = empty;
    this.count = count;
    this.items = new Map();
  }

  clear() {
    this.items.clear();
    this.list.replaceChildren();
    this.tell();
  }

  show(segment) {
    let item = this.items.get(segment.number);
    if (segment.cancelled) {
      item?.remove();
      this.items.delete(segment.number);
    } else {
      const fresh = this.item(segment);
      if (item) item.replaceWith(fresh);
      else this.list.prepend(fresh);
      this.items.set(segment.number, fresh);
    }
    this.tell();
  }

  tell() {
    const { size } = this.items;
    this.empty.hidden = size > 0;
    this.count.textContent = size > 0 ? `${size}, latest first` : "";
  }

  item(segment) {
    const shown = segment.result ?? segment.provisional;
    const { tone } = verdict(shown);
    const span = `${clock(segment.start / 16000)} – ${clock(segment.end / 16000)}`;
    const head = element("div", { class: "head" });
    if (shown) head.append(verdictOf(shown, segment.result ? "" : ", by the voice so far"));
    else head.append(element("span", { class: "quiet" }, segment.open ? "speaking …" : "waiting for the result …"));
    if (shown?.anomaly) head.append(flag("≈ unusual voice", "The model does not know such sound: take what it says of the voice with care."));
    head.append(element("time", {}, span));
    const item = element("li", { "data-tone": tone, "data-segment": segment.number }, head);
    item.append(element("p", { class: "words" }, ...words(segment)));
    if (segment.rejected) item.append(element("p", { class: "quiet" }, `These words are not trusted: ${segment.rejected}.`));
    const degraded = segment.result?.degraded || segment.degraded;
    if (degraded) item.append(element("p", { class: "quiet" }, `Done with less effort, because results were late: ${degraded}.`));
    if (segment.result) item.append(bar(segment.result.probabilities), parts(segment.result));
    return item;
  }
}

function flag(text, title) {
  return element("span", { class: "flag", title }, text);
}

// All labels' probabilities as lengths.
function bar(probabilities) {
  const entries = Object.entries(probabilities);
  const text = entries.map(([label, value]) => `${label} ${percentage(value)}`).join(", ");
  const node = element("div", { class: "bar", role: "img", "aria-label": text, title: text });
  for (const [label, value] of entries) {
    const part = element("span", { class: `tone-${style(label).tone}` });
    part.style.flexGrow = value;
    node.append(part);
  }
  return node;
}

// What each modality said and how much it counted.
function parts(result) {
  const node = element("dl", { class: "parts" });
  const add = (name, text) => node.append(element("dt", {}, name), element("dd", {}, text));
  const said = [result.audio_sentiment, result.text_sentiment, ...result.other_sentiments].filter(Boolean);
  for (const part of said) {
    const name = { voice: "Voice", text: "Words" }[part.modality] ?? part.modality;
    const probability = part.label === null ? undefined : part.probabilities[part.label];
    if (probability === undefined) add(name, part.reason || "no estimate");
    else add(name, `${style(part.label).symbol} ${part.label} ${percentage(probability)}, counts ${percentage(part.weight)}`);
  }
  for (const part of said) {
    const emotions = likeliest(part.emotions, 3).filter(([, value]) => value >= 0.05);
    if (emotions.length) add("Sounds", emotions.map(([emotion, value]) => `${emotion} ${percentage(value)}`).join(", "));
  }
  return node;
}
