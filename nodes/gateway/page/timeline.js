// The session on a canvas: sound, words, what the voice says, what all of it means, over time.

import { clock, style, verdict } from "./session.js";

// Rows from the top, in CSS pixels: where each begins and how high it is.
const ROWS = {
  ruler: { top: 0, height: 20, name: "" },
  sound: { top: 28, height: 56, name: "sound" },
  words: { top: 92, height: 62, name: "words" },
  voice: { top: 164, height: 66, name: "voice" },
  result: { top: 242, height: 44, name: "together" },
};
const BOTTOM = 292;
const LANE = 20;
const DASHES = { positive: [], neutral: [1, 4], negative: [6, 4], other: [2, 2, 6, 2] };
const COLOURS = ["card", "ink", "quiet", "line", "panel", "accent", "wave", "alert", "alert-line"].concat(
  ["positive", "neutral", "negative", "other", "unsure"].flatMap((tone) => [tone, `${tone}-soft`]),
);
const SCALES = [12, 20, 35, 60, 90, 130, 190];

export class Timeline {
  constructor(canvas, wave) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.wave = wave;
    this.session = null;
    this.follow = true;
    this.right = 0;
    this.scale = SCALES.indexOf(canvas.clientWidth < 600 ? 60 : 90);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.moved = () => {};
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.dress());
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.drag();
    this.dress();
  }

  show(session) {
    this.session = session;
    this.follow = true;
    this.right = 0;
    this.redraw();
  }

  // What is over, in seconds.
  get end() {
    const segments = this.session ? [...this.session.segments.values()] : [];
    return Math.max(this.wave.end, ...segments.slice(-3).map((segment) => segment.end / 16000));
  }

  get span() {
    return Math.max(1, (this.width - this.gutter) / SCALES[this.scale]);
  }

  zoom(steps) {
    this.scale = Math.max(0, Math.min(SCALES.length - 1, this.scale + steps));
    this.redraw();
  }

  go(right) {
    this.right = Math.max(0, Math.min(right, this.end));
    this.follow = this.right >= this.end - 0.15;
    this.redraw();
  }

  // A frame is drawn at most as often as the screen shows one.
  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  dress() {
    const computed = getComputedStyle(document.documentElement);
    this.colour = Object.fromEntries(COLOURS.map((name) => [name, computed.getPropertyValue(`--${name}`).trim()]));
    this.font = getComputedStyle(document.body).fontFamily;
    this.redraw();
  }

  fit() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.gutter = this.width >= 600 ? 64 : 0;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    // A new size clears the canvas: to wait for the next frame would flicker.
    this.draw();
  }

  drag() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, right: this.right };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (from) this.go(from.right - (event.clientX - from.x) / SCALES[this.scale]);
    });
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => (from = null));
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        if (Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
        event.preventDefault();
        this.go(this.right + event.deltaX / SCALES[this.scale]);
      },
      { passive: false },
    );
  }

  // Where a time stands on the canvas.
  x(seconds) {
    return this.gutter + (seconds - this.left) * SCALES[this.scale];
  }

  place() {
    if (this.follow) {
      // Without motion the view jumps half a page when it is full.
      const step = this.span / 2;
      this.right = this.still.matches ? Math.ceil(this.end / step) * step : this.end;
    }
    this.left = Math.max(0, Math.max(this.right, this.follow ? 0 : this.span) - this.span);
  }

  draw() {
    if (!this.width) return;
    const { context: c, colour } = this;
    this.place();
    c.clearRect(0, 0, this.width, this.canvas.clientHeight);
    c.textBaseline = "middle";
    c.lineJoin = "round";
    c.save();
    c.beginPath();
    c.rect(this.gutter, 0, this.width - this.gutter, BOTTOM);
    c.clip();
    this.ruler();
    const segments = this.visible();
    segments.forEach((segment) => this.panel(segment));
    this.gaps();
    this.sound();
    this.words(segments);
    segments.forEach((segment) => this.voice(segment));
    segments.forEach((segment) => this.result(segment));
    c.restore();
    c.fillStyle = colour.quiet;
    c.font = `12px ${this.font}`;
    c.textAlign = "left";
    if (this.gutter) {
      for (const { top, height, name } of Object.values(ROWS)) c.fillText(name, 0, top + height / 2);
    }
    this.moved(this.right, this.end, this.follow);
  }

  visible() {
    if (!this.session) return [];
    const [from, to] = [this.left * 16000, (this.left + this.span) * 16000];
    return [...this.session.segments.values()].filter((segment) => segment.end >= from && segment.start <= to);
  }

  ruler() {
    const { context: c, colour } = this;
    const step = [1, 2, 5, 10, 30, 60].find((seconds) => seconds * SCALES[this.scale] >= 64) ?? 60;
    c.font = `11px ${this.font}`;
    c.textAlign = "left";
    for (let time = Math.floor(this.left / step) * step; time <= this.left + this.span; time += step) {
      const x = Math.round(this.x(time)) + 0.5;
      c.strokeStyle = colour.line;
      c.lineWidth = 1;
      line(c, x, 0, x, BOTTOM);
      if (x < this.gutter) continue;
      c.fillStyle = colour.quiet;
      c.fillText(clock(time).replace(/\.0$/, ""), x + 4, 9);
    }
  }

  panel(segment) {
    const { context: c, colour } = this;
    const [x, end] = [this.x(segment.start / 16000), this.x(segment.end / 16000)];
    c.fillStyle = colour.panel;
    box(c, x, ROWS.sound.top - 4, Math.max(2, end - x), BOTTOM - ROWS.sound.top + 4, 6);
    c.fill();
    if (segment.open) {
      c.strokeStyle = colour.accent;
      c.lineWidth = 2;
      line(c, end, ROWS.sound.top - 2, end, BOTTOM - 4);
    }
  }

  gaps() {
    const { context: c, colour } = this;
    for (const gap of this.session?.gaps ?? []) {
      const [x, end] = [this.x(gap.start_seconds), this.x(gap.end_seconds)];
      if (end < this.gutter || x > this.width) continue;
      c.save();
      c.beginPath();
      c.rect(x, ROWS.sound.top - 4, Math.max(2, end - x), ROWS.sound.height + 8);
      c.fillStyle = colour.alert;
      c.fill();
      c.clip();
      this.hatch(x, ROWS.sound.top - 4, end - x, ROWS.sound.height + 8, colour["alert-line"]);
      c.restore();
      this.tag(`gap ${(gap.end_seconds - gap.start_seconds).toFixed(1)} s`, (x + end) / 2, ROWS.words.top + LANE / 2);
    }
  }

  hatch(x, y, width, height, stroke) {
    const { context: c } = this;
    c.strokeStyle = stroke;
    c.lineWidth = 1;
    const first = Math.max(x - height, this.gutter - height - ((this.gutter - x) % 8));
    for (let at = first; at < Math.min(x + width, this.width); at += 8) line(c, at, y + height, at + height, y);
  }

  // A text below something, moved so that all of it is seen.
  tag(text, middle, y) {
    const { context: c, colour } = this;
    c.font = `12px ${this.font}`;
    c.textAlign = "center";
    const half = c.measureText(text).width / 2 + 4;
    const x = Math.max(this.gutter + half, Math.min(middle, this.width - half));
    c.fillStyle = colour.ink;
    c.fillText(text, x, y);
  }

  sound() {
    const { context: c, colour, wave } = this;
    const { top, height } = ROWS.sound;
    const middle = top + height / 2;
    c.fillStyle = colour.wave;
    const scale = SCALES[this.scale];
    const count = Math.ceil((2 * wave.rate) / scale);
    const width = (count * scale) / wave.rate;
    // Bars begin at multiples of their own width, so that they move and do not change.
    for (let bar = Math.floor((this.left * wave.rate) / count) * count; this.x(bar / wave.rate) < this.width; bar += count) {
      const peak = wave.peak(bar, bar + count);
      if (peak === null) continue;
      const half = Math.max(0.5, (Math.sqrt(peak) * height) / 2);
      c.fillRect(this.x(bar / wave.rate), middle - half, width - 0.6, 2 * half);
    }
  }

  words(segments) {
    const { context: c, colour } = this;
    const lanes = [this.gutter, this.gutter, this.gutter].fill(-Infinity);
    c.font = `13px ${this.font}`;
    c.textAlign = "left";
    for (const segment of segments) {
      segment.words.forEach((word, index) => {
        const x = this.x(word.start_seconds) + 3;
        const width = c.measureText(word.text).width;
        const lane = lanes.findIndex((end) => end <= x);
        const stable = index < segment.stable && !segment.rejected;
        c.fillStyle = stable ? colour.ink : colour.quiet;
        if (lane < 0) {
          // No room: a tick says that there is a word.
          c.fillRect(x, ROWS.words.top - 4, 2, 4);
          return;
        }
        lanes[lane] = x + width + 7;
        const y = ROWS.words.top + LANE * lane + LANE / 2;
        c.fillText(word.text, x, y);
        if (stable) return;
        c.strokeStyle = colour.quiet;
        c.lineWidth = 1;
        c.setLineDash(segment.rejected ? [] : [1.5, 2.5]);
        const under = segment.rejected ? y : y + 8.5;
        line(c, x, under, x + width, under);
        c.setLineDash([]);
      });
    }
  }

  voice(segment) {
    const { context: c, colour } = this;
    const { top, height } = ROWS.voice;
    const { windows } = segment;
    if (windows.length === 0) return;
    for (const label of Object.keys(windows[0].probabilities)) {
      const { tone, symbol } = style(label);
      const points = windows.map(({ start, end, probabilities }) => [
        this.x((windows.length > 1 ? end : (start + end) / 2) / 16000),
        top + height * (1 - probabilities[label]),
      ]);
      // An estimate of the whole is a level.
      if (points.length === 1) {
        const [[, y]] = points;
        points.splice(0, 1, [this.x(segment.start / 16000) + 6, y], [this.x(segment.end / 16000) - 14, y]);
      }
      c.strokeStyle = colour[tone];
      c.fillStyle = colour[tone];
      c.lineWidth = 1.75;
      c.lineCap = "round";
      c.setLineDash(DASHES[tone]);
      c.beginPath();
      points.forEach(([x, y]) => c.lineTo(x, y));
      c.stroke();
      c.setLineDash([]);
      c.font = `9px ${this.font}`;
      c.textAlign = "left";
      const [x, y] = points.at(-1);
      c.fillText(symbol, x + 3, y);
    }
  }

  result(segment) {
    const { context: c, colour } = this;
    const shown = segment.result ?? segment.provisional;
    if (!shown) return;
    const { top, height } = ROWS.result;
    const start = this.x(segment.start / 16000);
    const width = Math.max(20, this.x(segment.end / 16000) - start) - 4;
    const said = verdict(shown);
    const sure = segment.result && said.tone !== "unsure";
    const x = start + 2;
    c.save();
    box(c, x, top, width, height, 5);
    c.fillStyle = colour[`${said.tone}-soft`];
    c.fill();
    c.clip();
    if (shown.anomaly) {
      c.globalAlpha = 0.28;
      this.hatch(x, top, width, height, colour[said.tone]);
      c.globalAlpha = 1;
    }
    if (sure) {
      // How sure, as a length.
      c.fillStyle = colour[said.tone];
      c.fillRect(x, top + height - 4, width * shown.confidence, 4);
    }
    c.restore();
    c.strokeStyle = colour[said.tone];
    c.lineWidth = 1;
    c.setLineDash(sure ? [] : [4, 3]);
    box(c, x + 0.5, top + 0.5, width - 1, height - 1, 5);
    c.stroke();
    c.setLineDash([]);
    this.verdict(said, shown, Math.max(x, this.gutter), x + width, top + height / 2 - 1);
  }

  // As many of the words as there is room for; the symbol always.
  verdict(said, shown, x, end, y) {
    const { context: c, colour } = this;
    const unusual = shown.anomaly ? " ≈" : "";
    const texts = [
      `${said.symbol} ${said.text}${unusual}`,
      `${said.symbol} ${said.percent || said.label}${unusual}`,
      `${said.symbol} ${said.percent || said.label}`,
      said.symbol,
    ];
    c.font = `600 13px ${this.font}`;
    c.textAlign = "left";
    const text = texts.find((candidate) => c.measureText(candidate).width <= end - x - 12) ?? said.symbol;
    const width = c.measureText(text).width;
    if (shown.anomaly) {
      c.fillStyle = colour[`${said.tone}-soft`];
      c.fillRect(x + 4, y - 9, width + 8, 18);
    }
    c.fillStyle = colour[said.tone];
    c.fillText(text, x + 8, y);
  }
}

function line(c, x, y, toX, toY) {
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(toX, toY);
  c.stroke();
}

function box(c, x, y, width, height, radius) {
  c.beginPath();
  c.roundRect(x, y, width, height, Math.min(radius, width / 2));
}
