// A session as files. Pure, except for `save`.

import { verdict } from "./session.js";

// Every event of the session, a line each, as it came.
export function jsonLines(session) {
  return session.lines.map((line) => `${line}\n`).join("");
}

// The final results as WebVTT (W3C, WebVTT: The Web Video Text Tracks Format): the words, and what they mean in brackets.
export function webVtt(session) {
  const blocks = [`WEBVTT - ${plain(`Undertone, session ${session.name}`)}`];
  for (const gap of session.gaps) {
    const span = `${time(gap.start_seconds)} to ${time(gap.end_seconds)}`;
    blocks.push(`NOTE\nNo audio from ${span}: ${plain(gap.reason)}`);
  }
  for (const result of session.results()) {
    const start = result.start_seconds;
    // A cue ends behind its beginning.
    const end = Math.max(result.end_seconds, start + 0.001);
    const { symbol, text, tone } = verdict(result);
    const notes = [`${symbol} ${text}`, ...(result.anomaly ? ["unusual voice"] : [])].join(", ");
    const words = result.text ? [`<c.${tone}>${escape(result.text)}</c>`] : [];
    blocks.push([result.segment + 1, `${time(start)} --> ${time(end)}`, ...words, escape(`[${notes}]`)].join("\n"));
  }
  return `${blocks.join("\n\n")}\n`;
}

// Text in a cue: no mark-up, no end of the cue.
function escape(text) {
  return line(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Text outside cues, where there are no escapes.
function plain(text) {
  return line(text).replaceAll("-->", "→");
}

function line(text) {
  return text.replaceAll("\0", "\ufffd").split(/[\s\u2028\u2029]+/u).filter(Boolean).join(" ");
}

function time(seconds) {
  const ms = Math.round(seconds * 1000);
  const part = (value, digits) => String(value).padStart(digits, "0");
  const clock = [ms / 3600000, (ms / 60000) % 60, (ms / 1000) % 60].map((value) => part(Math.floor(value), 2));
  return `${clock.join(":")}.${part(ms % 1000, 3)}`;
}

// Hands the browser a file to save.
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  // The browser reads it in its own time.
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
