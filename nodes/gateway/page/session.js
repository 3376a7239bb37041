// What the events of a session add up to. Pure.

const KNOWN = {
  positive: { symbol: "▲", tone: "positive" },
  neutral: { symbol: "●", tone: "neutral" },
  negative: { symbol: "▼", tone: "negative" },
};

// How a label is shown: never by its colour alone.
export function style(label) {
  return KNOWN[label] ?? { symbol: "◆", tone: "other" };
}

export class Session {
  constructor() {
    this.name = "";
    this.sampleRate = 16000;
    // By number, in order of their beginning.
    this.segments = new Map();
    this.gaps = [];
    this.late = false;
    // Every event as it came, for the download.
    this.lines = [];
  }

  // Takes an event and gives the segment that it changed, if it was one.
  apply(event, line) {
    this.lines.push(line);
    switch (event.type) {
      case "ready":
        this.name = event.session;
        this.sampleRate = event.sample_rate;
        return null;
      case "backpressure":
        this.late = event.active;
        return null;
      case "gap":
        this.gaps.push(event);
        return null;
      case "speech":
        return this.speech(event);
      case "acoustic":
        return this.acoustic(event);
      case "transcript":
        return this.transcript(event);
      case "sentiment":
        return this.sentiment(event);
      default:
        return null;
    }
  }

  segment(event) {
    let segment = this.segments.get(event.segment);
    if (!segment) {
      segment = {
        number: event.segment,
        start: event.start_sample,
        end: event.end_sample,
        open: true,
        // Whether its words are final.
        settled: false,
        text: "",
        words: [],
        stable: 0,
        rejected: "",
        degraded: "",
        windows: [],
        provisional: null,
        result: null,
      };
      this.segments.set(event.segment, segment);
    }
    return segment;
  }

  speech(event) {
    if (event.phase === "silence") return null;
    const segment = this.segment(event);
    if (event.phase === "cancelled") {
      // What was no speech after all leaves nothing behind.
      this.segments.delete(event.segment);
      return { ...segment, cancelled: true };
    }
    segment.start = event.start_sample;
    segment.end = event.end_sample;
    segment.open = event.phase !== "final";
    return segment;
  }

  acoustic(event) {
    if (Object.keys(event.probabilities).length === 0) return null;
    const segment = this.segment(event);
    const { start_sample: start, end_sample: end, probabilities } = event;
    // The estimate of the whole stands for all only where there was none of windows.
    if (event.scope === "window" || segment.windows.length === 0) segment.windows.push({ start, end, probabilities });
    return segment;
  }

  transcript(event) {
    const segment = this.segment(event);
    // The preview comes on a wire of its own and may be behind the final words.
    if (segment.settled && event.status === "partial") return null;
    segment.settled = event.status !== "partial";
    segment.text = event.text;
    segment.words = event.words;
    segment.stable = event.status === "partial" ? event.stable : event.words.length;
    segment.rejected = event.status === "rejected" ? event.reason || "not to be trusted" : "";
    segment.degraded = event.degraded ?? "";
    return segment;
  }

  sentiment(event) {
    const segment = this.segment(event);
    if (event.status === "final") {
      segment.result = event;
      segment.open = false;
      segment.start = event.start_sample;
      segment.end = event.end_sample;
      if (segment.text === "") segment.text = event.text;
    } else if (!segment.result) {
      segment.provisional = event;
    }
    return segment;
  }

  // Final results in order of time.
  results() {
    const results = [...this.segments.values()].map((segment) => segment.result).filter(Boolean);
    return results.sort((a, b) => a.start_sample - b.start_sample);
  }

  // The latest segment in time.
  latest() {
    return [...this.segments.values()].reduce((best, next) => (!best || next.start >= best.start ? next : best), null);
  }
}

// A result in a few words.
export function verdict(result) {
  if (!result) return { label: "", symbol: "", tone: "none", percent: "", text: "" };
  if (result.abstained || result.label === null) {
    const { label } = result;
    const guess = label ? `, perhaps ${label}` : "";
    return { label: "unsure", symbol: "?", tone: "unsure", percent: "", text: `unsure${guess}` };
  }
  const { symbol, tone } = style(result.label);
  const percent = percentage(result.confidence);
  return { label: result.label, symbol, tone, percent, text: `${result.label} ${percent}` };
}

// A probability as a percentage that does not break across lines.
export function percentage(probability) {
  return `${Math.round(100 * probability)}\u00a0%`;
}

// The likeliest names with their probabilities, most likely first.
export function likeliest(probabilities, most) {
  return Object.entries(probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, most);
}

// Seconds as m:ss.t, or h:mm:ss.t.
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}
