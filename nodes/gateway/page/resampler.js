// Sound of any rate at another: a polyphase filter with a Kaiser-windowed sinc. Pure, so that it runs in the audio worklet,
// in the page and in tests alike.

// Attenuation of what would fold back, in dB, and where the filter begins to fall, as a share of the band.
const ATTENUATION = 80;
const PASS = 0.9;

export class Resampler {
  // `from` and `to` are whole numbers of samples a second.
  constructor(from, to) {
    const divisor = greatestCommonDivisor(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    this.same = from === to;
    const band = Math.min(from, to) / 2;
    const transition = (band * (1 - PASS)) / from;
    // Kaiser's estimate of the length for an attenuation and a transition (Oppenheim and Schafer, 7.75).
    const length = (ATTENUATION - 7.95) / (14.36 * transition);
    this.half = Math.ceil(length / 2);
    this.phases = this.same ? [] : phases(this.up, this.half, (band * (1 + PASS)) / from);
    // Silence before the first sample, so that the first output stands where the first input does.
    this.input = new Float32Array(this.half - 1);
    // The next output, as an index of an input in `this.input`, and a phase.
    this.at = this.half - 1;
    this.phase = 0;
  }

  // The output that the samples so far allow; what the filter still needs is kept.
  push(samples) {
    if (this.same) return Float32Array.from(samples);
    const input = new Float32Array(this.input.length + samples.length);
    input.set(this.input);
    input.set(samples, this.input.length);
    const output = [];
    while (this.at + this.half < input.length) {
      const taps = this.phases[this.phase];
      const first = this.at - this.half + 1;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap += 1) sum += taps[tap] * input[first + tap];
      output.push(sum);
      this.phase += this.down;
      this.at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    const done = Math.min(this.at - this.half + 1, input.length);
    this.input = input.slice(done);
    this.at -= done;
    return Float32Array.from(output);
  }

  // What is left, with silence behind it.
  finish() {
    return this.same ? new Float32Array(0) : this.push(new Float32Array(this.half));
  }
}

// For each phase the weights of the inputs from `half - 1` before to `half` behind; `cutoff` is twice the cut-off
// frequency over the input's rate.
function phases(count, half, cutoff) {
  const beta = 0.1102 * (ATTENUATION - 8.7);
  return Array.from({ length: count }, (_, phase) => {
    const taps = Float64Array.from({ length: 2 * half }, (_, tap) => {
      const time = tap - half + 1 - phase / count;
      const inside = Math.max(0, 1 - (time / half) ** 2);
      return sinc(cutoff * time) * (bessel(beta * Math.sqrt(inside)) / bessel(beta));
    });
    // Every phase passes a constant as it is.
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return taps.map((tap) => tap / sum);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

// Modified Bessel function of the first kind and order 0, by its power series.
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let n = 1; term > sum * 1e-12; n += 1) {
    term *= (x / (2 * n)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

// The mean of channels.
export function mix(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, n) => channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length);
}

// Full scale at ±1 to 16 bits, as the server reads them; what is louder is clipped.
export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
}
