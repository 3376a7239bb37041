// The microphone's sound on the audio thread: mixed to mono, brought to 16 kHz, cut into frames of 40 ms.

import { Resampler, mix, toPcm16 } from "./resampler.js";

const RATE = 16000;
const FRAME = 640;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.frame = new Float32Array(FRAME);
    this.filled = 0;
  }

  process([channels]) {
    // Without a channel the source has ended or has nothing yet.
    if (channels.length > 0) this.take(this.resampler.push(mix(channels)));
    return true;
  }

  take(samples) {
    for (const sample of samples) {
      this.frame[this.filled] = sample;
      this.filled += 1;
      if (this.filled === FRAME) {
        const pcm = toPcm16(this.frame);
        this.port.postMessage(pcm, [pcm.buffer]);
        this.filled = 0;
      }
    }
  }
}

registerProcessor("capture", Capture);
