// One session's connection to the gateway, which is made again when it breaks. nodes/gateway/asyncapi.yml is the protocol.

import { Ledger, backOff } from "./ledger.js";

const PROTOCOL = "undertone.v1";
// For how many seconds a session that has not begun yet knocks at a server that is not there or has no room.
const PATIENCE = 60;
// Bytes that may wait in the browser: 10 s of sound. What is later is better missed.
const MOST = 320000;
// Not 1000: that would tell the server that we want no more.
const BROKEN = 4000;
const END = JSON.stringify({ type: "end" });

export class Link {
  // For how many seconds nothing may leave the browser, if there is something: then the network has gone without saying so.
  static patience = 15;

  // `on` has `event(event, line)`; `open(position)`, which tells whether there is more sound to send from there;
  // `lost({ begun, later, message, wait })`; and `over({ failure, code, begun })`, without a `failure` after a good end.
  constructor(address, token, on) {
    this.address = address;
    this.token = token;
    this.on = on;
    this.ledger = new Ledger();
    this.attempt = 0;
    this.since = performance.now();
    // No more audio is sent: the end is wished for.
    this.ending = false;
    this.ready = false;
    this.connect();
    // What the system knows of the network saves waiting for the next try. (That it is offline says nothing: the gateway may
    // be on this very machine.)
    this.online = () => this.hurry();
    addEventListener("online", this.online);
    this.watch = setInterval(() => this.check(), 1000);
  }

  connect() {
    const protocols = [PROTOCOL, ...(this.token ? [`bearer.${this.token}`] : [])];
    const socket = new WebSocket(this.address + this.ledger.query(), protocols);
    this.socket = socket;
    this.ledger.connect();
    this.left = 0;
    this.moved = performance.now();
    // A connection that was given up may yet speak.
    const current = (take) => (event) => this.socket === socket && take(event);
    socket.onmessage = current(({ data }) => this.take(data));
    socket.onclose = current(({ code, reason }) => this.closed(code, reason));
  }

  take(line) {
    const event = JSON.parse(line);
    try {
      if (!this.ledger.accept(event)) return;
    } catch (error) {
      this.leave(error.message, 1002);
      return;
    }
    if (event.type === "error") this.fault = event.message;
    if (event.event > 0) this.on.event(event, line);
    if (event.type === "ready") {
      this.attempt = 0;
      this.ready = true;
      // One that was missed before may be followed by this connection's own.
      clearTimeout(this.opening);
      this.opening = setTimeout(() => this.ready && this.open(), 30);
    }
  }

  open() {
    const more = this.on.open(this.ledger.position);
    if (more) this.ending = false;
    // Whether it was heard on a connection that broke cannot be known; a second time it does no harm.
    else this.end();
  }

  end() {
    this.ending = true;
    this.socket.send(END);
  }

  // Sends samples, if that is possible now, and gives the index of the first, or `null`.
  send(samples) {
    if (!this.ready || this.ending || this.socket.readyState !== WebSocket.OPEN) return null;
    if (this.waiting > MOST) {
      this.drop();
      return null;
    }
    this.socket.send(samples);
    return this.ledger.send(samples.length);
  }

  // Bytes that the network has yet to take.
  get waiting() {
    return this.socket.bufferedAmount;
  }

  check() {
    const left = 2 * this.ledger.sent - this.waiting;
    if (this.waiting === 0 || left > this.left) this.moved = performance.now();
    else if (performance.now() - this.moved > 1000 * Link.patience) this.drop();
    this.left = left;
  }

  // No more audio comes; the results that are still to come do.
  finish() {
    if (this.ending) return;
    if (this.ready) {
      this.end();
      return;
    }
    this.ending = true;
    // Nothing has begun that could end.
    if (!this.ledger.token) this.leave(null);
  }

  // Gives up this connection, not the session.
  drop() {
    const { socket } = this;
    if (socket.readyState > WebSocket.OPEN) return;
    socket.close(BROKEN);
    this.closed(1006, "");
  }

  // Tries again at once.
  hurry() {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.retry();
  }

  retry() {
    this.timer = undefined;
    this.connect();
  }

  closed(code, reason) {
    clearTimeout(this.opening);
    this.socket = { readyState: WebSocket.CLOSED, bufferedAmount: 0, close() {} };
    if (this.ready) this.since = performance.now();
    this.ready = false;
    const begun = this.ledger.token !== null;
    const away = (performance.now() - this.since) / 1000;
    const outcome = this.ledger.closed(code, begun ? away : 0);
    if (outcome === "done") return this.leave(null);
    // What the server says before it closes a connection is why; a connection that just breaks has no reason.
    const message = code === 1006 ? "" : (this.fault ?? reason);
    this.fault = undefined;
    if (outcome === "over" || (!begun && away > PATIENCE)) return this.leave(message, code, begun);
    const wait = backOff(this.attempt, Math.random());
    this.attempt += 1;
    this.timer = setTimeout(() => this.retry(), wait);
    return this.on.lost({ begun, later: outcome === "later", message, wait });
  }

  // The end. `failure` is `null` after a good one.
  leave(failure, code = 1000, begun = true) {
    removeEventListener("online", this.online);
    clearInterval(this.watch);
    clearTimeout(this.timer);
    clearTimeout(this.opening);
    const { socket } = this;
    this.socket = { readyState: WebSocket.CLOSED, bufferedAmount: 0, close() {} };
    this.ready = false;
    socket.close(1000);
    this.on.over({ failure, code, begun });
  }
}
