// How much the words count beside the voice, while the graph runs.

import { percentage } from "./session.js";

const NODE = "fusion";

export class Weights {
  constructor(headers) {
    this.headers = headers;
    this.box = document.getElementById("weights");
    this.slider = document.getElementById("weight");
    this.restore = document.getElementById("restore");
    this.said = document.getElementById("weight-said");
    this.why = document.getElementById("weights-why");
    this.reason = document.getElementById("weights-reason");
    this.used = document.getElementById("weights-used");
    this.slider.addEventListener("input", () => this.tell());
    this.slider.addEventListener("change", () => this.weigh());
    this.restore.addEventListener("click", () => this.takeBack());
    this.turn = 0;
    // Why the gateway does not let this page in, if it does not. Of a WebSocket, browsers do not tell.
    this.refusal = "";
  }

  // Asks the gateway whether it is possible. Tells whether it asked for a token.
  async ask() {
    try {
      const answer = await fetch("stats", { headers: this.headers() });
      if (answer.status === 401) {
        this.explain("the gateway asks for a token first");
        return true;
      }
      const { parameters, error = "" } = await answer.json();
      this.refusal = error;
      this.allowed = (name) => parameters.allowed.includes(NODE) || parameters.allowed.includes(`${NODE}.${name}`);
      this.explain(error || this.obstacle(parameters));
    } catch {
      this.explain("the gateway cannot be reached");
    }
    return false;
  }

  obstacle({ possible, reason }) {
    if (!possible) return reason;
    return this.allowed("text-weight") ? "" : `the gateway's \`--parameters\` do not name ${NODE}`;
  }

  explain(obstacle) {
    this.box.hidden = obstacle !== "";
    this.why.hidden = obstacle === "";
    this.reason.textContent = obstacle;
  }

  // The slider in words.
  get asked() {
    const words = Number(this.slider.value) / 100;
    return `words ${percentage(words)}, voice ${percentage(1 - words)}`;
  }

  tell() {
    this.slider.setAttribute("aria-valuetext", this.asked);
    this.said.textContent = this.asked;
  }

  weigh() {
    this.tell();
    // Learned weights leave nothing to say by hand.
    const weighting = this.allowed("weighting") ? [["weighting", "fixed"]] : [];
    return this.change(this.asked, [...weighting, ["text-weight", Number(this.slider.value) / 100]]);
  }

  takeBack() {
    const names = ["weighting", "text-weight"].filter((name) => this.allowed(name));
    return this.change("as the graph has it", names.map((name) => [name, null]));
  }

  async change(asked, changes) {
    this.said.textContent = `${asked}: asking …`;
    // Of several in a row the last one's answer counts.
    const turn = (this.turn += 1);
    let told = `${asked}: sent, holds from the next utterance on.`;
    for (const [name, value] of changes) {
      const error = await this.post(name, value);
      if (turn !== this.turn) return;
      if (error) {
        told = `Not changed: ${error}.`;
        break;
      }
    }
    this.said.textContent = told;
  }

  // Gives what is wrong, or nothing.
  async post(name, value) {
    try {
      const headers = { ...this.headers(), "Content-Type": "application/json" };
      const body = JSON.stringify({ node: NODE, name, value });
      const answer = await fetch("parameters", { method: "POST", headers, body });
      return answer.ok ? "" : (await answer.json()).error;
    } catch {
      return "the gateway cannot be reached";
    }
  }

  // What counted how much in a result.
  result({ text_sentiment: text, audio_sentiment: voice }) {
    if (!text || !voice) return;
    this.used.textContent = `In the latest result the words counted ${percentage(text.weight)}, the voice ${percentage(voice.weight)}.`;
  }
}
