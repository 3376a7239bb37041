// How late results are: as the gateway says, and as seen from here.

const MOST = 1000;

export class Latency {
  constructor() {
    this.total = document.getElementById("latency-total");
    this.median = document.getElementById("latency-median");
    this.here = document.getElementById("latency-here");
    this.parts = document.getElementById("latency-parts");
    this.clear();
  }

  clear() {
    this.totals = [];
    // When each sample was sent, as far back as results may come.
    this.sent = [];
    for (const node of [this.total, this.median, this.here]) node.textContent = "–";
  }

  send(end, at) {
    this.sent.push({ end, at });
    if (this.sent.length > 2 * MOST) this.sent.splice(0, MOST);
  }

  // Takes a final result that came at a time; `paced` is whether sound is sent as it is spoken.
  result(result, at, paced) {
    const frame = this.sent.find(({ end }) => end >= result.end_sample);
    this.here.textContent = paced && frame ? ms(at - frame.at) : "–";
    const { latency_ms: latency } = result;
    if (!latency) return;
    if (latency.total !== null) {
      this.totals = [...this.totals, latency.total].slice(-MOST);
      const sorted = this.totals.toSorted((a, b) => a - b);
      this.median.textContent = `${ms(sorted[Math.ceil(sorted.length / 2) - 1])} of ${sorted.length}`;
    }
    this.total.textContent = latency.total === null ? "–" : ms(latency.total);
    const stages = Object.entries(latency.stages).map(([name, { worked }]) => [name, worked]);
    const shares = [["waiting whether more is said", latency.hangover ?? 0], ...stages, ["on the way", latency.transport], ["in queues", latency.queueing]];
    const shown = shares.filter(([, value]) => value >= 0.5).sort((a, b) => b[1] - a[1]);
    this.parts.textContent = shown.map(([name, value]) => `${name} ${ms(value)}`).join(", ");
  }
}

function ms(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
