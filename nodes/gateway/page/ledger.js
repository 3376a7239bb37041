// What has been heard from the server and what it takes to go on after the connection breaks. Pure.

// The server's closing codes after which the session goes on with another connection: nothing said (the network broke),
// too slow a reader.
const RESUMABLE = new Set([1005, 1006, 1012, 1014, 4429]);
// Those after which a later try may succeed: no room, or the graph is not ready yet.
const LATER = new Set([1013]);

export class Ledger {
  constructor() {
    this.token = null;
    // Number of the last event.
    this.last = 0;
    // Sample index of the next sample to send.
    this.position = 0;
    this.sent = 0;
    this.graceSeconds = 30;
    this.ended = false;
  }

  // Takes an event. Tells whether it is news: not one that was seen before the connection broke. A hole in the numbers
  // cannot be: the server sends all behind `after` or refuses.
  accept(event) {
    const number = event.event;
    if (number > 0) {
      if (number <= this.last) return false;
      if (number !== this.last + 1) throw new Error(`event ${number} came after event ${this.last}`);
      this.last = number;
    }
    if (event.type === "ready") {
      this.token = event.resume;
      // Samples that were sent on this connection before this event came count from there, too.
      this.position = event.position_sample + this.sent;
      this.graceSeconds = event.limits?.grace_seconds ?? this.graceSeconds;
    }
    if (event.type === "end") this.ended = true;
    return true;
  }

  // Takes note of samples that were sent, and gives the index of the first.
  send(samples) {
    const first = this.position;
    this.position += samples;
    this.sent += samples;
    return first;
  }

  // A new connection: its `ready` tells where it goes on.
  connect() {
    this.sent = 0;
  }

  // What the address of the next connection asks for.
  query() {
    return this.token === null ? "" : `?resume=${encodeURIComponent(this.token)}&after=${this.last}`;
  }

  // What a connection's end means: `done`, `again` (resume, or begin if nothing had begun), `later`, or `over`. `away` is
  // for how many seconds there has been no connection.
  closed(code, away) {
    if (this.ended || code === 1000) return "done";
    if (LATER.has(code)) return "later";
    if (!RESUMABLE.has(code)) return "over";
    // The server forgets a session a while after its client is gone. A little longer, because clocks and networks differ.
    return away > this.graceSeconds + 5 ? "over" : "again";
  }
}

// How long to wait before try number `attempt` (from 0), in milliseconds: twice as long each time, and not the same for
// everybody. `chance` is from 0 to 1.
export function backOff(attempt, chance) {
  const longest = Math.min(8000, 250 * 2 ** attempt);
  return longest * (0.5 + 0.5 * chance);
}
