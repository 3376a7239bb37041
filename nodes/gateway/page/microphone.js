// The microphone, as frames of 40 ms at 16 kHz.

// For how long nothing but digital silence may come before that is worth a word, in seconds. A room is never that quiet.
const MUTED = 3;

export class Microphone {
  // `on` has `frame(samples)`, `muted(yes)` and `ended(why)`.
  static async open(on) {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new Error(INSECURE);
    if (!window.AudioWorkletNode) throw new Error("This browser is too old to record in a page. Choose a sound file instead.");
    let stream;
    try {
      // What makes calls sound better takes away what a voice tells.
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Error(explain(error), { cause: error });
    }
    try {
      const context = new AudioContext({ latencyHint: "interactive" });
      await context.audioWorklet.addModule("worklet.js");
      return new Microphone(stream, context, on);
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      throw new Error(`The browser could not open the microphone (${error.message}). Reload the page and try again.`, { cause: error });
    }
  }

  constructor(stream, context, on) {
    this.stream = stream;
    this.context = context;
    this.on = on;
    this.silent = 0;
    this.isMuted = false;
    this.closed = false;
    const [track] = stream.getAudioTracks();
    this.name = track.label;
    track.onended = () => {
      this.close();
      on.ended("The microphone is gone: it was unplugged, or its permission taken back. What was said until then is below.");
    };
    track.onmute = () => this.mute(true);
    track.onunmute = () => this.mute(false);
    this.source = context.createMediaStreamSource(stream);
    this.capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data }) => this.take(data);
    this.source.connect(this.capture);
    context.resume();
  }

  take(frame) {
    this.silent = frame.every((sample) => sample === 0) ? this.silent + frame.length / 16000 : 0;
    this.mute(this.silent >= MUTED || this.stream.getAudioTracks().some((track) => track.muted));
    this.on.frame(frame);
  }

  mute(yes) {
    if (yes === this.isMuted) return;
    this.isMuted = yes;
    this.on.muted(yes);
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.capture.port.onmessage = null;
    this.stream.getTracks().forEach((track) => track.stop());
    this.context.close();
  }
}

const INSECURE =
  "Browsers give the microphone only to pages from https:// or from this computer itself. Open this page at " +
  "http://localhost with the gateway's port, or put a proxy with TLS before the gateway. A sound file works here, too.";

// What to do about each reason for not getting a microphone (Media Capture and Streams, getUserMedia).
function explain(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return (
        "The microphone is not allowed. Allow it for this page (the symbol beside the address, or the browser's settings " +
        "for this site; on some systems also the system's privacy settings), then start again."
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return "There is no microphone. Plug one in, or switch it on in the system's sound settings, then start again.";
    case "NotReadableError":
    case "AbortError":
      return "The microphone is there, but does not work. Close other programs that use it, plug it in again, then start again.";
    default:
      return `The microphone cannot be used: ${error.message}.`;
  }
}
