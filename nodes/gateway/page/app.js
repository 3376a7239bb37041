// The page: a microphone or a sound file into the gateway, and what comes back onto the screen.

import { jsonLines, save, webVtt } from "./downloads.js";
import { Latency } from "./latency.js";
import { Link } from "./link.js";
import { Microphone } from "./microphone.js";
import { Notices } from "./notices.js";
import { Session, verdict } from "./session.js";
import { SoundFile, decode } from "./soundfile.js";
import { Timeline } from "./timeline.js";
import { Utterances, verdictOf, words } from "./utterances.js";
import { Wave } from "./wave.js";
import { Weights } from "./weights.js";

const find = (id) => document.getElementById(id);
const TOKEN = "undertone-token";
const UNAUTHORISED = 4401;
const LAST = "Waiting for the last results";
// Frames of 40 ms that are kept while the first connection is made.
const EARLY = 50;

const notices = new Notices(find("notices"));
const wave = new Wave();
const timeline = new Timeline(find("timeline"), wave);
const utterances = new Utterances(find("utterances"), find("empty"), find("count"));
const latency = new Latency();
const weights = new Weights(() => (token() ? { Authorization: `Bearer ${token()}` } : {}));

let session = new Session();
let link = null;
// What gives the sound: a microphone or a sound file.
let source = null;
// Counts up with every session, so that what was asked for one does not come to the next.
let turn = 0;

function token() {
  return sessionStorage.getItem(TOKEN);
}

// Where things stand

function status(state, text) {
  const node = find("status");
  node.dataset.state = state;
  if (node.textContent !== text) node.textContent = text;
}

function buttons() {
  const button = find("microphone");
  const busy = link !== null;
  button.textContent = busy ? (link.ending ? "Finishing …" : "Stop") : "Start microphone";
  button.disabled = busy && link.ending;
  find("file").disabled = busy;
  find("fast").disabled = busy;
}

// Sound

async function startMicrophone() {
  notices.clear();
  const mine = (turn += 1);
  status("wait", "Asking for the microphone");
  // What is said while the connection is made.
  let early = [];
  try {
    const microphone = await Microphone.open({
      frame: (frame) => {
        level(frame);
        if (mine !== turn) return;
        if (early) early = [...early, frame].slice(-EARLY);
        else send(frame);
      },
      muted: (yes) => {
        if (yes) notices.show("muted", "Nothing but silence comes from the microphone. It seems to be muted: look for a switch on it, a key, or the system's sound settings.");
        else notices.hide("muted");
      },
      ended: (why) => {
        notices.show("microphone", why);
        finish();
      },
    });
    if (mine !== turn) return microphone.close();
    source = {
      paced: true,
      open: () => {
        early?.forEach(send);
        early = null;
        return !microphone.closed;
      },
      stop: () => microphone.close(),
    };
    begin(`Listening to ${microphone.name || "the microphone"}`);
  } catch (error) {
    if (mine === turn) fail(error);
  }
  return undefined;
}

async function startFile(file) {
  if (link) return;
  notices.clear();
  const mine = (turn += 1);
  status("wait", `Reading ${file.name}`);
  try {
    const samples = await decode(file);
    if (mine !== turn) return;
    if (samples.length === 0) throw new Error(`“${file.name}” has no sound in it.`);
    const fast = find("fast").checked;
    const play = new SoundFile(samples, fast, {
      send: (frame) => {
        const at = send(frame);
        if (at !== null) level(frame);
        return at;
      },
      waiting: () => link?.waiting ?? Infinity,
      done: () => finishing(),
    });
    source = { paced: !fast, open: (position) => play.start(position), stop: () => play.stop() };
    begin(`Sending ${file.name}`);
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

function fail(error) {
  status("idle", "Not listening");
  notices.show("source", error.message);
  buttons();
}

function send(frame) {
  const at = link?.send(frame) ?? null;
  if (at === null) return null;
  wave.add(at, frame);
  latency.send(at + frame.length, performance.now());
  timeline.redraw();
  return at;
}

function level(frame) {
  const peak = frame.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1) / 32768;
  const decibels = Math.max(-60, 20 * Math.log10(peak));
  const meter = find("level");
  meter.setAttribute("aria-valuenow", Math.round(decibels));
  meter.firstElementChild.style.transform = `scaleX(${1 + decibels / 60})`;
}

// The session

function begin(doing) {
  session = new Session();
  wave.clear();
  utterances.clear();
  latency.clear();
  timeline.show(session);
  caption();
  find("jsonl").disabled = find("vtt").disabled = true;
  status("wait", "Connecting");
  const address = new URL("ws", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  link = new Link(address.href, token(), {
    event: take,
    open: (position) => {
      notices.hide("connection");
      const more = source.open(position);
      status("on", more ? doing : LAST);
      weights.ask();
      // The link takes note of the answer first.
      queueMicrotask(buttons);
      return more;
    },
    lost: ({ begun, later, message, wait }) => {
      status("wait", begun ? "Reconnecting" : "Connecting");
      notices.show("connection", lostText(begun, later, message, wait));
    },
    over,
  });
  buttons();
}

function lostText(begun, later, message, wait) {
  const again = `Trying again in ${(wait / 1000).toFixed(1)} s.`;
  if (later) return `The gateway takes no session now${message ? ` (${message})` : ""}. ${again}`;
  if (!begun && weights.refusal) return `The gateway does not let this page in (${weights.refusal}). ${again}`;
  if (!begun) return `The gateway cannot be reached${message ? ` (${message})` : ""}. ${again}`;
  return `The connection broke${message ? ` (${message})` : ""}. The session goes on as soon as it is back; what is said meanwhile is missing. ${again}`;
}

// No more sound; the results of what was said still come.
function finish() {
  source?.stop();
  finishing();
}

function finishing() {
  link?.finish();
  if (link) status("on", LAST);
  buttons();
}

function over({ failure, code, begun }) {
  turn += 1;
  source?.stop();
  source = null;
  link = null;
  level([0]);
  notices.hide("connection", "muted", "late");
  // What ended the session is told as such, and once.
  if (failure !== null) notices.hide(`error ${failure}`);
  if (code === UNAUTHORISED) askForToken();
  else if (failure !== null) {
    const what = begun ? "The session has ended early" : "The session could not begin";
    const why = failure || (!begun && weights.refusal) || `the connection was closed with code ${code}`;
    notices.show("over", `${what}: ${why}. ${begun ? "What came until then is below. " : ""}Start again when you like.`);
  }
  status("idle", session.results().length ? "Finished" : "Not listening");
  buttons();
  timeline.redraw();
}

function take(event, line) {
  const segment = session.apply(event, line);
  find("jsonl").disabled = false;
  switch (event.type) {
    case "backpressure":
      if (event.active) notices.show("late", `The server is late: ${(event.queued_ms / 1000).toFixed(1)} s of sound wait. Results come later, nothing is lost yet.`);
      else notices.hide("late");
      break;
    case "gap":
      notices.show("gap", gapText());
      break;
    case "error":
      notices.show(`error ${event.message}`, `The server says: ${event.message}.`);
      break;
    case "sentiment":
      if (event.status === "final") result(event);
      break;
    default:
  }
  if (segment) utterances.show(segment);
  caption();
  timeline.redraw();
}

function gapText() {
  const seconds = session.gaps.reduce((sum, gap) => sum + gap.end_seconds - gap.start_seconds, 0).toFixed(1);
  const late = session.gaps.some((gap) => gap.reason === "overflow");
  const why = late ? "because the server was too late, or the connection was down" : "because the connection was down";
  return `${seconds} s of sound are missing, ${why}. The timeline shows where.`;
}

function result(event) {
  latency.result(event, performance.now(), source?.paced ?? false);
  weights.result(event);
  find("vtt").disabled = false;
  // For screen readers: each utterance once, when it is complete.
  find("spoken").textContent = `${event.text || "no words"}: ${verdict(event).text}`;
  const count = session.results().length;
  find("timeline").setAttribute(
    "aria-label",
    `Timeline of ${count} utterance${count === 1 ? "" : "s"}; the list of utterances says the same in words`,
  );
}

function caption() {
  const segment = session.latest();
  const [text, feeling] = [find("caption"), find("feeling")];
  if (!segment) {
    if (link) text.replaceChildren(hint("Speak: the words come here."));
    feeling.replaceChildren();
    return;
  }
  const shown = words(segment);
  text.replaceChildren(...(segment.text ? shown : [hint(segment.settled ? "No words." : "…")]));
  const judged = segment.result ?? segment.provisional;
  feeling.replaceChildren(...(judged ? [verdictOf(judged, segment.result ? "" : ", by the voice so far")] : []));
}

function hint(text) {
  const node = document.createElement("span");
  node.className = "quiet";
  node.textContent = text;
  return node;
}

// What the user does

find("microphone").addEventListener("click", () => (link ? finish() : startMicrophone()));
find("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  // The same file can be chosen again.
  if (file) startFile(file).finally(() => (target.value = ""));
});

const dropping = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragover", (event) => {
  if (!dropping(event)) return;
  event.preventDefault();
  find("drop").hidden = link !== null;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("drop").hidden = true;
});
addEventListener("drop", (event) => {
  if (!dropping(event)) return;
  event.preventDefault();
  find("drop").hidden = true;
  const [file] = event.dataTransfer.files;
  if (file && link) notices.show("source", "Stop first, then drop the file again.");
  else if (file) startFile(file);
});

find("wider").addEventListener("click", () => timeline.zoom(-1));
find("closer").addEventListener("click", () => timeline.zoom(1));
find("live").addEventListener("click", () => timeline.go(Infinity));
find("scroll").addEventListener("input", ({ target }) => timeline.go(Number(target.value)));
timeline.moved = (right, end, follow) => {
  const scroll = find("scroll");
  scroll.disabled = end === 0;
  // A whole number of steps, or the last one cannot be reached.
  scroll.max = Math.ceil(10 * end) / 10;
  scroll.value = follow ? scroll.max : right;
  scroll.setAttribute("aria-valuetext", `until ${right.toFixed(0)} of ${end.toFixed(0)} seconds`);
  find("live").setAttribute("aria-pressed", String(follow));
};

find("jsonl").addEventListener("click", () => save(`${fileName()}.jsonl`, "application/x-ndjson", jsonLines(session)));
find("vtt").addEventListener("click", () => save(`${fileName()}.vtt`, "text/vtt", webVtt(session)));

function fileName() {
  return `undertone-${session.name.replaceAll(/[^\w.-]/g, "_") || "session"}`;
}

function askForToken() {
  find("access").hidden = false;
  find("token").focus();
}

find("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, find("token").value.trim());
  find("token").value = "";
  find("access").hidden = true;
  if (await weights.ask()) {
    notices.show("token", "The gateway does not know this token.");
    askForToken();
  } else notices.hide("token");
});

// A session that nobody looks at any more ends at once instead of after a while.
addEventListener("pagehide", () => link?.leave("the page was closed"));

weights.ask().then((refused) => refused && askForToken());
buttons();
