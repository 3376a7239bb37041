// A sound file, sent as if somebody spoke it, or as fast as the server takes it.

import { Resampler, mix, toPcm16 } from "./resampler.js";

const RATE = 16000;
// Frames of 40 ms at the pace of the clock, of 200 ms otherwise.
const FRAME = 640;
const LONG_FRAME = 3200;
// What may wait in the browser: 2 s. At the pace of the clock, too, there can be much to send at once: browsers let pages that
// nobody sees rest.
const AHEAD = 64000;

// Reads a file of any format that the browser knows, as mono samples at 16 kHz. Browsers convert to the rate of the context,
// and not well: Chromium takes 2 dB from 6 kHz on the way from 48 to 16 kHz, 3.6 dB from 7 kHz on the way back. So they are
// left to read the file at its own rate, or at 48 kHz where its head does not tell; the rest is ours.
export async function decode(file) {
  const bytes = await file.arrayBuffer();
  const rate = rateOf(new DataView(bytes)) ?? 48000;
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new Error(`“${file.name}” is not sound that this browser can read. Try WAV, FLAC, MP3, Ogg or M4A.`, { cause: error });
  }
  const resampler = new Resampler(rate, RATE);
  const mono = mix(Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel)));
  // A long file in pieces, so that the page can breathe.
  const pieces = [];
  for (let at = 0; at < mono.length; at += 30 * rate) {
    pieces.push(toPcm16(resampler.push(mono.subarray(at, at + 30 * rate))));
    await new Promise((resolve) => setTimeout(resolve));
  }
  pieces.push(toPcm16(resampler.finish()));
  const samples = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let filled = 0;
  for (const piece of pieces) {
    samples.set(piece, filled);
    filled += piece.length;
  }
  return samples;
}

// The sample rate that a WAV (RIFF) or FLAC (RFC 9639, 8.2) file tells, if a context can have it.
export function rateOf(view) {
  const name = (at) => (at + 4 <= view.byteLength ? String.fromCharCode(...[0, 1, 2, 3].map((n) => view.getUint8(at + n))) : "");
  let rate = null;
  if (name(0) === "fLaC" && view.byteLength > 21) rate = view.getUint32(18) >>> 12;
  if (name(0) === "RIFF" && name(8) === "WAVE") {
    let at = 12;
    while (at + 16 <= view.byteLength && name(at) !== "fmt ") at += 8 + view.getUint32(at + 4, true);
    if (at + 16 <= view.byteLength) rate = view.getUint32(at + 12, true);
  }
  return rate >= 8000 && rate <= 96000 ? rate : null;
}

export class SoundFile {
  // `send(samples)` gives `null` while that is not possible, `waiting()` the bytes that the network has yet to take.
  constructor(samples, fast, { send, waiting, done }) {
    this.samples = samples;
    this.fast = fast;
    this.send = send;
    this.waiting = waiting;
    this.done = done;
    this.at = 0;
  }

  // Goes on at a sample, if there is more. After a connection broke, the server says at which: the file's time is the
  // session's.
  start(position) {
    clearInterval(this.timer);
    if (this.stopped || position >= this.samples.length) return false;
    this.at = position;
    this.begin = performance.now() - (1000 * position) / RATE;
    this.timer = setInterval(() => this.step(), this.fast ? 10 : 20);
    return true;
  }

  step() {
    const length = this.fast ? LONG_FRAME : FRAME;
    while (this.at < this.samples.length) {
      const clock = ((performance.now() - this.begin) * RATE) / 1000;
      if (this.waiting() > AHEAD || (!this.fast && this.at + length > clock)) return;
      const frame = this.samples.slice(this.at, this.at + length);
      if (this.send(frame) === null) return;
      this.at += frame.length;
    }
    clearInterval(this.timer);
    this.done();
  }

  stop() {
    clearInterval(this.timer);
    this.stopped = true;
  }
}
