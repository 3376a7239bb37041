// The loudest of every 10 ms of the session's sound, at its place on the session's clock. Pure.

const BUCKET = 160;

export class Wave {
  constructor() {
    // Buckets a second.
    this.rate = 16000 / BUCKET;
    this.clear();
  }

  clear() {
    // -1 where nothing is known.
    this.peaks = new Float32Array(6000).fill(-1);
    this.samples = 0;
  }

  // In seconds.
  get end() {
    return this.samples / 16000;
  }

  // Takes samples of which the first has index `at`.
  add(at, samples) {
    const last = Math.floor((at + samples.length) / BUCKET) + 1;
    if (last > this.peaks.length) {
      const longer = new Float32Array(Math.max(last, 2 * this.peaks.length)).fill(-1);
      longer.set(this.peaks);
      this.peaks = longer;
    }
    samples.forEach((sample, n) => {
      const bucket = Math.floor((at + n) / BUCKET);
      this.peaks[bucket] = Math.max(this.peaks[bucket], Math.abs(sample) / 32768);
    });
    this.samples = Math.max(this.samples, at + samples.length);
  }

  // The loudest in buckets `from` to before `to`, 0 to 1; `null` where nothing is known.
  peak(from, to) {
    const peak = this.peaks.subarray(Math.max(0, from), Math.max(0, to)).reduce((a, b) => Math.max(a, b), -1);
    return peak < 0 ? null : peak;
  }
}
