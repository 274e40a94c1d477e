// The whole swarm: live from the tracker, or replayed from traces, both drawn as one scene.
//
//   words      numbers and events in words
//   Tape       lines of traces -> events on one clock          (no page, no clock: node tests it)
//   Replay     a tape and a moment -> what every peer had and served then         (likewise)
//   Picture    a scene -> canvas
//   the page   sources, panel, table, transport
//
// A scene is {name, size, pieces, nodes: [{addr, progress, bar, bits, down, up, gone, done}],
// links: [{from, to, rate, standing, total}], more}: a link says that `from` serves `to`; standing
// is 0 choked, 1 served, 2 optimistic. Whatever a tracker or a trace says is a stranger's text and
// goes to the page as text alone.
"use strict";

// ---- words ----------------------------------------------------------------------------------

/** Bytes in decimal units. */
function bytes(n) {
  for (const [unit, word] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (n >= unit) return `${(n / unit).toFixed(1)} ${word}`;
  }
  return `${Math.round(n)} B`;
}

/** A share in whole percent; only what is whole is 100. */
const percent = (share) => `${Math.floor(100 * share)} %`;

/** A moment of a trace. */
const clock = (t) => `${t.toFixed(t < 1000 ? 3 : 1)} s`;

/** One thing or several. */
const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

/** Why something was decided: the rule by its name, and the numbers that it went by. */
function whyWords(why) {
  const say = {
    "rarest": () => `rarest: ${why.avail === 1 ? "1 copy" : `${why.avail} copies`}, ${why.ties} as rare`,
    "random-first": () => "any piece, as the first ones are", "begun": () => "goes on with a piece that is begun",
    "in-order": () => "next in order", "end-game": () => "end game: asked of several",
    "gives": () => `gives ${bytes(why.rate)}/s, place ${why.rank} of ${why.of}`,
    "optimistic": () => `optimistic: drawn among ${why.among}`,
    "kept": () => `on trial for ${why.secs} s`, "waited": () => `waited ${why.secs} s`,
    "turn": () => `its turn among ${why.among}`, "lot": () => `drawn among ${why.among}`,
    "everybody": () => "everybody is served", "share": () => `${why.permille / 10} % of what it gives`,
    "bargain": () => `gives ${bytes(why.gives)}/s for ${bytes(why.costs)}/s`,
    "fewest-copies": () => `${why.copies} copies are out`, "own": () => String(why.says),
    "both-seed": () => "both have everything", "wrong-bytes": () => "it sent wrong bytes",
  }[why.rule];
  const more = why.retry ? `, try ${why.retry + 1}` : "";
  return (say ? say() : String(why.rule).replace(/-/g, " ")) + more;
}

/** An event in words; `name` says how peers are called. */
function describe(tape, e, name) {
  const [me, to] = [name(tape.node[e]), tape.peer[e]];
  const other = to >= 0 ? name(to) : to === -1 ? "a web seed" : tape.addresses.list[-2 - to];
  const [piece, note] = [tape.piece[e], tape.notes[tape.note[e]]];
  const span = piece < 0 ? "" : ` piece ${piece}` + (tape.len[e] ? ` at ${tape.off[e]}, ${bytes(tape.len[e])}` : "");
  const why = note.why ? ` — ${whyWords(note.why)}` : "";
  const msg = tape.words.list[tape.msg[e]];
  const says = note.says === undefined ? "" : ` — ${note.says}`;
  switch (tape.evs.list[tape.ev[e]]) {
    case "send": return `${me} → ${other}  ${msg}${span}${says}`;
    case "recv": return `${me} ← ${other}  ${msg}${span} arrives${says}`;
    case "start": return `${me} begins`;
    case "dial": return `${me} calls ${other}${why}`;
    case "refused": return `${me} cannot reach ${other}${says}`;
    case "open": return `${me} ${note.dialled ? "called" : "was called by"} ${other} (${note.dialect})`;
    case "close": return `${me} and ${other} part${says}`;
    case "part": return `${me} lets ${other} go${why}`;
    case "pick": return `${me} picks${span} of ${other}${why}`;
    case "unchoke": return `${me} gives a free slot to ${other}${why}`;
    case "show": return `${me} shows${span} to ${other}${why}`;
    case "verify": return `${me} ${note.ok ? "has verified" : "found WRONG bytes in"}${span}${why}`;
    case "complete": return `${me} has everything it wants`;
    case "ban": return `${me} bans ${other}${span}${why}`;
    case "missed": return `${me}: ${other} missed its deadline for ${tape.len[e]} B`;
    case "overdue": return `${me}: ${other} is slower than was thought, ${tape.len[e]} B`;
    case "lost": return `${me}: ${note.lines} lines are missing here`;
    case "choke": {
      const called = (slot) => {
        const peer = tape.nodeOfConn(tape.node[e], slot.conn);
        return peer < 0 ? String(slot.to) : name(peer);
      };
      const set = note.set.map((slot) => `${called(slot)} (${whyWords(slot.why || {})})`);
      return `${me} serves ${set.join(", ") || "nobody"}` +
        (note.dropped.length ? `; chokes ${note.dropped.map(called).join(", ")}` : "");
    }
    default: return `${me} ${tape.evs.list[tape.ev[e]]} ${other}${span}${why}${says}`;
  }
}

// ---- the tape: lines of traces become events on one clock -----------------------------------

/** Texts as small numbers: "" is 0. */
class Words {
  constructor() { this.list = [""]; this.ids = new Map([["", 0]]); }
  id(text) {
    let id = this.ids.get(text);
    if (id === undefined) this.ids.set(text, id = this.list.push(text) - 1);
    return id;
  }
}

// The columns of a tape: one typed array each, so that a million events are 50 MB and not 500.
const COLUMNS = { t: Float64Array, file: Uint16Array, node: Int32Array, peer: Int32Array, wire: Int32Array,
  ev: Uint8Array, msg: Uint8Array, seq: Int32Array, piece: Int32Array, off: Uint32Array, len: Uint32Array,
  note: Uint32Array, torrent: Uint16Array };
const MOST_EVENTS = 1 << 24; // as many as the sort's key can number
const MOST_PIECES = 1 << 20;
const MOST_NODES = 5000;
const MOST_BITS = 1 << 28;   // bytes of all nodes' bitmaps
const BULK = new Set(["CHUNK_DATA", "PIECE"]);
// What of a line is kept beside the columns. Numbers of pings are not: no two are the same.
const NOTED = ["why", "says", "set", "dropped", "ok", "lines", "dialect", "dialled"];

/** A whole number from 0 to before `most`; `none` where there is none. */
function whole(value, most, none) {
  if (value === undefined) return none;
  if (!Number.isInteger(value) || value < 0 || value >= most) throw new RangeError("not such a number");
  return value;
}

/** A short text, or "" where there is none. */
function short(value) {
  if (value === undefined) return "";
  if (typeof value !== "string" || value.length > 1000) throw new TypeError("not such a text");
  return value;
}

/** The lists of a decision, or an error. */
function slots(list) {
  if (!Array.isArray(list) || !list.every((slot) => slot && Number.isInteger(slot.conn))) throw new TypeError("no slots");
}

class Tape {
  constructor() {
    this.length = 0;
    this.malformed = 0; // lines that were passed over
    this.missing = 0;   // lines that the nodes themselves could not write
    this.files = [];    // {name, events, offset: seconds to add, aligned: bool}
    this.evs = new Words();
    this.words = new Words();
    this.torrents = new Words();
    this.addresses = new Words(); // nodes and addresses as the lines call them
    this.notes = [{}];
    this.noteIds = new Map();
    this.wires = [];    // one end of a connection: {node, conn, to, id, here, there, torrent, file}
    this.wireIds = new Map();
    this.starts = [];   // {node, id, listen}
    for (const [name, Type] of Object.entries(COLUMNS)) this[name] = new Type(1024);
  }

  /** Another file is read from now on; its number. */
  addFile(name) {
    this.files.push({ name, events: 0, offset: 0, aligned: false });
    return this.files.length - 1;
  }

  /** One line of a file; whatever is no event is counted and passed over. */
  addLine(file, text) {
    if (text === "") return;
    try {
      this.addEvent(file, JSON.parse(text));
      this.files[file].events += 1;
    } catch (error) {
      this.malformed += 1;
    }
  }

  addEvent(file, told) {
    const { t, ev, why } = told;
    if (typeof t !== "number" || !(t >= 0 && t < 1e7) || !ev) throw new TypeError("not an event");
    if (why !== undefined && (typeof why !== "object" || why === null)) throw new TypeError("not a reason");
    if (ev === "choke") [told.set, told.dropped].forEach(slots);
    short(told.says);
    const node = this.addresses.id(short(told.n));
    const to = short(told.to ?? told.from);
    const row = {
      t, file, node, peer: to === "" ? -1 : this.addresses.id(to), ev: this.evs.id(short(ev)),
      msg: this.words.id(short(told.msg)), seq: whole(told.seq, 2 ** 31, -1),
      piece: whole(told.piece, MOST_PIECES, -1), off: whole(told.off, 2 ** 32, 0), len: whole(told.len, 2 ** 32, 0),
      torrent: this.torrents.id(short(told.torrent)), note: 0, wire: -1,
    };
    const fits = row.node > 0 && row.ev < 256 && row.msg < 256 && row.torrent < 65536 && this.length < MOST_EVENTS;
    if (!fits) throw new RangeError("too much");
    if (told.conn !== undefined) row.wire = this.wireOf(row, whole(told.conn, 2 ** 53, 0), to, told);
    if (ev === "start") this.starts.push({ node, id: short(told.id), listen: short(told.listen) });
    if (ev === "lost") this.missing += whole(told.lines, 2 ** 53, 0);
    row.note = this.noteOf(told);
    this.push(row);
  }

  /** This end of a connection, which its first line makes and `open` describes. */
  wireOf(row, conn, to, told) {
    const key = `${row.node}#${conn}`;
    let id = this.wireIds.get(key);
    if (id === undefined) {
      id = this.wires.push({ node: row.node, conn, to, id: "", here: "", there: "", torrent: 0, file: row.file }) - 1;
      this.wireIds.set(key, id);
    }
    const wire = this.wires[id];
    if (told.ev === "open") {
      Object.assign(wire, { to, id: short(told.id), here: short(told.here), there: short(told.there) });
    }
    if (row.torrent) wire.torrent = row.torrent;
    return id;
  }

  noteOf(told) {
    const keys = NOTED.filter((key) => told[key] !== undefined);
    if (keys.length === 0) return 0;
    const note = Object.fromEntries(keys.map((key) => [key, told[key]]));
    const key = JSON.stringify(note);
    let id = this.noteIds.get(key);
    if (id === undefined) this.noteIds.set(key, id = this.notes.push(note) - 1);
    return id;
  }

  push(row) {
    const at = this.length++;
    if (at === this.t.length) this.widen();
    // One by one: a loop over names would double the time of reading.
    [this.t[at], this.file[at], this.ev[at], this.msg[at]] = [row.t, row.file, row.ev, row.msg];
    [this.node[at], this.peer[at], this.wire[at], this.seq[at]] = [row.node, row.peer, row.wire, row.seq];
    [this.piece[at], this.off[at], this.len[at]] = [row.piece, row.off, row.len];
    [this.note[at], this.torrent[at]] = [row.note, row.torrent];
  }

  widen() {
    for (const [name, Type] of Object.entries(COLUMNS)) {
      const wider = new Type(2 * this[name].length);
      wider.set(this[name]);
      this[name] = wider;
    }
  }

  /** All lines are there: who is who, one clock, one order, and which `recv` belongs to which `send`. */
  finish() {
    for (const part of Tape.PARTS) this[part]();
  }

  /** What `finish` does, one after the other; a page breathes in between. */
  static PARTS = ["findNodes", "findPairs", "align", "sort"];

  /**
   * Nodes get numbers in the order of their addresses; addresses become nodes. A peer without one,
   * who was never connected, is -2 minus the number of its address; nobody is -1.
   */
  findNodes() {
    const nodes = new Map(); // an address as a line calls it -> the name of its node
    const traced = new Set();
    for (let e = 0; e < this.length; e++) traced.add(this.node[e]);
    const ids = new Map(this.starts.filter((start) => start.id).map((start) => [start.id, start.node]));
    for (const { node, listen } of this.starts) nodes.set(this.addresses.id(listen), node);
    for (const node of traced) nodes.set(node, node);
    const ends = new Map();
    this.wires.forEach((wire, id) => { if (wire.here) ends.set(`${wire.here}|${wire.there}`, id); });
    this.wires.forEach((wire, id) => {
      const other = ends.get(`${wire.there}|${wire.here}`);
      wire.other = other === undefined || other === id ? -1 : other;
      const to = this.addresses.id(wire.to);
      wire.peer = wire.other >= 0 ? this.wires[wire.other].node : ids.get(wire.id) ?? nodes.get(to) ?? to;
      if (wire.id && to && !traced.has(to)) nodes.set(to, wire.peer);
    });
    const number = this.numberNodes(traced, nodes);
    for (let e = 0; e < this.length; e++) {
      const wire = this.wires[this.wire[e]];
      const peer = wire ? wire.peer : this.peer[e] < 0 ? -1 : nodes.get(this.peer[e]) ?? this.peer[e];
      [this.node[e], this.peer[e]] = [number.get(this.node[e]), number.get(peer) ?? (peer < 0 ? -1 : -2 - peer)];
    }
    for (const wire of this.wires) [wire.node, wire.peer] = [number.get(wire.node), number.get(wire.peer) ?? -1];
    this.wireIds = new Map(this.wires.map((wire, id) => [`${wire.node}#${wire.conn}`, id]));
  }

  numberNodes(traced, nodes) {
    const all = new Set(traced);
    for (const wire of this.wires) if (wire.peer > 0) all.add(wire.peer);
    for (const [address, node] of nodes) if (address > 0) all.add(node);
    if (all.size > MOST_NODES) throw new RangeError(`more than ${MOST_NODES} peers are in it`);
    const order = new Intl.Collator("en", { numeric: true }).compare;
    const sorted = [...all].sort((a, b) => order(this.addresses.list[a], this.addresses.list[b]));
    this.nodes = sorted.map((node) => ({ addr: this.addresses.list[node], traced: traced.has(node) }));
    return new Map(sorted.map((node, at) => [node, at]));
  }

  /** The peer at the other end of a node's connection, or -1. */
  nodeOfConn(node, conn) {
    return this.wires[this.wireIds.get(`${node}#${conn}`)]?.peer ?? -1;
  }

  /** Ends without sockets (a simulated world) share their number; then each `recv` finds its `send`. */
  findPairs() {
    for (const wire of this.wires) {
      const there = this.wireIds.get(`${wire.peer}#${wire.conn}`);
      if (wire.other < 0 && !wire.here && there !== undefined && this.wires[there].peer === wire.node) wire.other = there;
    }
    const send = this.evs.id("send");
    const recv = this.evs.id("recv");
    const sent = this.wires.map(() => []);
    this.pair = new Int32Array(this.length).fill(-1);
    for (let e = 0; e < this.length; e++) {
      if (this.ev[e] === send && this.wire[e] >= 0 && this.seq[e] >= 0) sent[this.wire[e]][this.seq[e]] = e;
    }
    for (let e = 0; e < this.length; e++) {
      const wire = this.wires[this.wire[e]];
      const from = this.ev[e] === recv && wire && wire.other >= 0 ? sent[wire.other][this.seq[e]] : undefined;
      if (from !== undefined) [this.pair[e], this.pair[from]] = [from, e];
    }
  }

  /**
   * One clock for all files. Between two files the quickest message each way says how far their
   * clocks are apart, as NTP does: half of the difference of both ways.
   */
  align() {
    const recv = this.evs.id("recv");
    const quickest = new Map(); // "from>to": seconds
    for (let e = 0; e < this.length; e++) {
      if (this.ev[e] !== recv || this.pair[e] < 0) continue;
      const [from, to] = [this.file[this.pair[e]], this.file[e]];
      const key = `${from}>${to}`;
      const took = this.t[e] - this.t[this.pair[e]];
      if (from !== to && !(quickest.get(key) <= took)) quickest.set(key, took);
    }
    const ahead = (a, b) => { // how much later b's clock shows
      const [there, back] = [quickest.get(`${a}>${b}`), quickest.get(`${b}>${a}`)];
      return there === undefined ? (back === undefined ? null : -back) : back === undefined ? there : (there - back) / 2;
    };
    const queue = this.files.map((_, file) => file).sort((a, b) => this.files[b].events - this.files[a].events);
    const known = [];
    const visit = (file, offset) => {
      Object.assign(this.files[file], { offset, aligned: true });
      known.push(file);
    };
    if (queue.length) visit(queue[0], 0);
    for (let at = 0; at < known.length; at++) {
      for (const file of queue) {
        const later = this.files[file].aligned ? null : ahead(known[at], file);
        if (later !== null) visit(file, this.files[known[at]].offset - later);
      }
    }
    const first = Math.min(...this.files.map((file) => file.offset));
    for (const file of this.files) file.offset = file.aligned ? file.offset - first : 0;
    for (let e = 0; e < this.length; e++) this.t[e] += this.files[this.file[e]].offset;
  }

  /** By time, and as read where that is equal. The key is time and place in one number. */
  sort() {
    const keys = new BigUint64Array(this.length);
    for (let e = 0; e < this.length; e++) keys[e] = (BigInt(Math.max(0, Math.round(1e6 * this.t[e]))) << 24n) | BigInt(e);
    keys.sort();
    const from = Uint32Array.from(keys, (key) => Number(key & 0xffffffn));
    const to = new Uint32Array(this.length);
    from.forEach((e, at) => { to[e] = at; });
    const pair = this.pair.map((_, at) => this.pair[from[at]]);
    this.pair = pair.map((e) => (e < 0 ? -1 : to[e]));
    for (const name in COLUMNS) this[name] = this[name].slice(0, this.length).map((_, at, old) => old[from[at]]);
    this.end = this.length ? this.t[this.length - 1] : 0;
  }

  /** The numbers of the torrents that it is about; [0] if it does not name any. */
  torrentList() {
    const named = this.torrents.list.map((_, id) => id).slice(1);
    return named.length ? named : [0];
  }
}

// ---- the replay: a tape and a moment become a scene -----------------------------------------

const RATES_OVER = 1;            // seconds of the trace that a rate is measured over
const SILENCE = 3;               // seconds before the end that make a trace's own end worth a mark
const SNAPSHOT_BYTES = 64 << 20; // what all snapshots may take
const SNAPSHOT_EVERY = 4096;     // events, if they are small

/** The first place in `times` (which rises) that is later than `t`. */
function after(times, t) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1; else high = middle;
  }
  return low;
}

class Replay {
  /** One torrent of a finished tape. */
  constructor(tape, torrent = tape.torrentList()[0]) {
    this.tape = tape;
    const about = (e) => tape.torrent[e] || (tape.wire[e] >= 0 ? tape.wires[tape.wire[e]].torrent : 0);
    this.list = new Uint32Array(tape.length).map((_, e) => e).filter((e) => !about(e) || about(e) === torrent);
    this.times = Float64Array.from(this.list, (e) => tape.t[e]);
    this.end = this.times.length ? this.times[this.times.length - 1] : 0;
    this.code = Object.fromEntries(tape.evs.list.map((word, id) => [word, id]));
    this.findLinks();
    this.carries = Int32Array.from(this.list, (e) => this.carrier(e));
    this.findPieces();
    this.findSpans();
    this.findMarks();
    this.state = this.begin();
    const size = Object.values(this.state).reduce((sum, part) => sum + (part.byteLength || 0), 0);
    this.every = Math.max(SNAPSHOT_EVERY, Math.ceil((this.list.length * size) / SNAPSHOT_BYTES));
    this.snapshots = [this.copy(this.state)];
  }

  /** Every pair of peers that were ever connected is two links, one each way. */
  findLinks() {
    this.links = [];
    this.linkIds = new Map();
    const width = this.tape.nodes.length;
    for (const { node, peer } of this.tape.wires) {
      for (const [from, to] of [[node, peer], [peer, node]]) {
        const key = from * width + to;
        if (peer < 0 || this.linkIds.has(key)) continue;
        this.linkIds.set(key, this.links.push({ from, to }) - 1);
      }
    }
  }

  bothWays(a, b) {
    return [this.linkOf(a, b), this.linkOf(b, a)].filter((link) => link !== undefined);
  }

  linkOf(from, to) {
    return from < 0 || to < 0 ? undefined : this.linkIds.get(from * this.tape.nodes.length + to);
  }

  /** How many pieces there are, and which of them each node had when its trace began. */
  findPieces() {
    const { tape } = this;
    this.pieces = this.list.reduce((most, e) => Math.max(most, tape.piece[e] + 1), 0);
    this.stride = (this.pieces + 7) >> 3;
    if (tape.nodes.length * this.stride > MOST_BITS) throw new RangeError("there are too many peers and pieces in it");
    this.had = new Uint8Array(tape.nodes.length * this.stride);
    const came = new Uint8Array(this.had.length); // what it got since
    const full = new Set();
    const partly = new Set(); // nodes that said a bitfield before they could have verified anything
    const began = new Set();  // nodes that have verified a piece
    for (const e of this.list) {
      const [ev, node, piece] = [tape.evs.list[tape.ev[e]], tape.node[e], tape.piece[e]];
      const said = ev === "send" ? node : ev === "recv" && !tape.nodes[tape.peer[e]]?.traced ? tape.peer[e] : -1;
      const msg = said < 0 ? "" : tape.words.list[tape.msg[e]];
      if (ev === "verify" && tape.notes[tape.note[e]].ok) {
        began.add(node);
        if (piece >= 0) this.set(came, node, piece);
      }
      if (ev === "complete" && partly.has(node)) this.fill(this.had, node, came);
      // Only a seeder shows pieces, whatever it said before.
      const all = ev === "show" ? node : msg === "HAVE_ALL" && !began.has(said) ? said : -1;
      if (all >= 0 && !full.has(all)) this.fill(this.had, all);
      full.add(all);
      if (msg === "BITFIELD" && !began.has(said)) partly.add(said);
      if (piece < 0 || !(msg === "HAVE" || BULK.has(msg))) continue;
      // A stranger that says HAVE may have it from now on only; whoever gives a piece had it.
      if (msg === "HAVE" && ev === "recv") this.set(came, said, piece);
      else if (!this.has(came, said, piece)) this.set(this.had, said, piece);
    }
  }

  has(bits, node, piece) { return (bits[node * this.stride + (piece >> 3)] >> (7 - (piece & 7))) & 1; }
  set(bits, node, piece) { bits[node * this.stride + (piece >> 3)] |= 0x80 >> (piece & 7); }

  /** All pieces of a node, except those in `but`. */
  fill(bits, node, but) {
    for (let piece = 0; piece < this.pieces; piece++) if (!but || !this.has(but, node, piece)) this.set(bits, node, piece);
  }

  /** From when to when each node is heard of. */
  findSpans() {
    this.first = new Float64Array(this.tape.nodes.length).fill(Infinity);
    this.last = new Float64Array(this.tape.nodes.length).fill(-Infinity);
    this.list.forEach((e, at) => {
      for (const node of [this.tape.node[e], this.tape.peer[e]]) {
        if (node < 0 || (node === this.tape.peer[e] && (this.tape.nodes[node].traced || this.tape.wire[e] < 0))) continue;
        this.first[node] = Math.min(this.first[node], this.times[at]);
        this.last[node] = Math.max(this.last[node], this.times[at]);
      }
    });
  }

  /** What one may want to jump to: {at: place in the list, what: words for it with the node's number}. */
  findMarks() {
    const { tape } = this;
    this.marks = [];
    const seen = new Set();
    const once = (at, what, node) => {
      if (!seen.has(`${what}${node}`)) this.marks.push({ at, what, node });
      seen.add(`${what}${node}`);
    };
    this.list.forEach((e, at) => {
      const [ev, node, { ok }] = [tape.evs.list[tape.ev[e]], tape.node[e], tape.notes[tape.note[e]]];
      if (ev === "unchoke" || ev === "choke" || tape.words.list[tape.msg[e]] === "UNCHOKE") once(at, "first unchoke", -1);
      if (ev === "verify" && ok) once(at, "first piece verified", -1);
      if (ev === "complete") once(at, "complete", node);
      if (ev === "ban") this.marks.push({ at, what: "bans a peer", node });
      if (ev === "verify" && ok === false) this.marks.push({ at, what: "wrong bytes", node });
    });
    tape.nodes.forEach(({ traced }, node) => { // who was killed falls silent before the others
      const at = after(this.times, this.last[node]) - 1;
      if (traced && at >= 0 && this.last[node] < this.end - SILENCE) this.marks.push({ at, what: "falls silent", node });
    });
    this.marks.sort((a, b) => a.at - b.at);
  }

  /** Before the first event. */
  begin() {
    const [nodes, links] = [this.tape.nodes.length, this.links.length];
    const state = { at: 0, bits: this.had.slice(), counts: new Uint32Array(nodes), done: new Uint8Array(nodes),
      standing: new Uint8Array(links), wanted: new Uint8Array(links), open: new Uint16Array(links),
      given: new Float64Array(links), wires: new Uint8Array(this.tape.wires.length) };
    for (let node = 0; node < nodes; node++) {
      for (let piece = 0; piece < this.pieces; piece++) state.counts[node] += this.has(state.bits, node, piece);
    }
    return state;
  }

  copy(state) {
    return Object.fromEntries(Object.entries(state).map(([key, part]) => [key, part.slice ? part.slice() : part]));
  }

  /** To the state after so many events, from wherever is nearest. */
  goTo(at) {
    at = Math.max(0, Math.min(at, this.list.length));
    const nearest = Math.min(Math.floor(at / this.every), this.snapshots.length - 1);
    if (at < this.state.at || nearest * this.every > this.state.at) this.state = this.copy(this.snapshots[nearest]);
    while (this.state.at < at) {
      this.apply(this.list[this.state.at]);
      this.state.at += 1;
      if (this.state.at === this.snapshots.length * this.every) this.snapshots.push(this.copy(this.state));
    }
    return this.state;
  }

  apply(e) {
    const { tape, state } = this;
    const [node, peer, note] = [tape.node[e], tape.peer[e], tape.notes[tape.note[e]]];
    const slot = (to, standing) => {
      const link = this.linkOf(node, to);
      if (link !== undefined) state.standing[link] = standing;
    };
    const served = (why) => (why && why.rule === "optimistic" ? 2 : 1);
    switch (tape.evs.list[tape.ev[e]]) {
      case "open": this.connect(tape.wire[e]); break;
      case "close": this.disconnect(tape.wire[e]); break;
      case "send": this.connect(tape.wire[e]); this.hear(e, node, peer, true); break;
      case "recv": this.connect(tape.wire[e]); this.hear(e, peer, node, false); break;
      case "unchoke": slot(peer, served(note.why)); break;
      case "choke":
        for (const { conn } of note.dropped) slot(tape.nodeOfConn(node, conn), 0);
        for (const { conn, why } of note.set) slot(tape.nodeOfConn(node, conn), served(why));
        break;
      case "verify": if (note.ok && tape.piece[e] >= 0) this.give(node, tape.piece[e]); break;
      case "complete": state.done[node] = 1; break;
    }
  }

  /** A message: what the two ends know of it, taken from the sender's file where there is one. */
  hear(e, from, to, sending) {
    const { tape, state } = this;
    const [gives, takes] = [this.linkOf(from, to), this.linkOf(to, from)];
    if (gives === undefined) return;
    const told = sending || !tape.nodes[from].traced;
    switch (tape.words.list[tape.msg[e]]) {
      case "UNCHOKE": if (told) state.standing[gives] ||= 1; break;
      case "CHOKE": if (told) state.standing[gives] = 0; break;
      case "INTERESTED": if (told) state.wanted[takes] = 1; break;
      case "NOT_INTERESTED": if (told) state.wanted[takes] = 0; break;
      case "HAVE": if (!sending && told && tape.piece[e] >= 0) this.give(from, tape.piece[e]); break;
      default: if (this.carries[state.at] >= 0) state.given[gives] += tape.len[e];
    }
  }

  /** The link that bulk came by, or -1. It counts once: where it arrived, if that end has a trace. */
  carrier(e) {
    const { tape } = this;
    const [node, peer, sending] = [tape.node[e], tape.peer[e], tape.ev[e] === this.code.send];
    if (!BULK.has(tape.words.list[tape.msg[e]]) || (sending && (tape.nodes[peer] || {}).traced)) return -1;
    return (sending ? this.linkOf(node, peer) : this.linkOf(peer, node)) ?? -1;
  }

  give(node, piece) {
    if (this.has(this.state.bits, node, piece)) return;
    this.set(this.state.bits, node, piece);
    this.state.counts[node] += 1;
  }

  /** A connection is one, whichever end says so: 0 not yet, 1 there, 2 over. */
  connect(id) {
    if (id < 0) return;
    const { node, peer, other } = this.tape.wires[id];
    const one = other < 0 ? id : Math.min(id, other);
    if (this.state.wires[one]) return;
    this.state.wires[one] = 1;
    for (const link of this.bothWays(node, peer)) this.state.open[link] += 1;
  }

  disconnect(id) {
    if (id < 0) return;
    const { node, peer, other } = this.tape.wires[id];
    const one = other < 0 ? id : Math.min(id, other);
    if (this.state.wires[one] !== 1) return;
    this.state.wires[one] = 2;
    for (const link of this.bothWays(node, peer)) {
      this.state.open[link] -= 1;
      if (this.state.open[link] === 0) this.state.standing[link] = this.state.wanted[link] = 0;
    }
  }

  /** Bytes per second of each link in the second before `t`. */
  rates(t) {
    const rates = new Float64Array(this.links.length);
    for (let at = after(this.times, t - RATES_OVER); at < this.times.length && this.times[at] <= t; at++) {
      if (this.carries[at] >= 0) rates[this.carries[at]] += this.tape.len[this.list[at]] / RATES_OVER;
    }
    return rates;
  }

  /** The scene after `at` events, at `t`. */
  scene(at, t) {
    const state = this.goTo(at);
    const rates = this.rates(t);
    const nodes = this.tape.nodes.map(({ addr, traced }, node) => ({
      addr, traced, down: 0, up: 0, done: Boolean(state.done[node]), bar: null,
      progress: this.pieces ? state.counts[node] / this.pieces : 0,
      bits: state.bits.subarray(node * this.stride, (node + 1) * this.stride),
      hidden: t < this.first[node], gone: t > this.last[node],
    }));
    const links = [];
    this.links.forEach(({ from, to }, link) => {
      nodes[from].up += rates[link];
      nodes[to].down += rates[link];
      const standing = state.standing[link];
      if (state.open[link] && (standing || rates[link] || state.wanted[link])) {
        links.push({ from, to, rate: rates[link], standing, total: state.given[link] });
      }
    });
    return { nodes, links, pieces: this.pieces };
  }

  /** At most `most` messages on their way at `t`: {from, to, e, way: 0..1}; none takes less than `least` seconds. */
  flights(t, least, most) {
    const found = [];
    const { tape } = this;
    const since = t - Math.max(least, 2);
    for (let at = after(this.times, t) - 1; at >= 0 && found.length < most && this.times[at] > since; at--) {
      const e = this.list[at];
      const sending = tape.ev[e] === this.code.send;
      if (tape.peer[e] < 0 || !(sending || (tape.ev[e] === this.code.recv && tape.pair[e] < 0))) continue;
      const takes = Math.max(least, tape.pair[e] < 0 ? 0 : tape.t[tape.pair[e]] - tape.t[e]);
      const way = (t - tape.t[e]) / takes;
      const [from, to] = sending ? [tape.node[e], tape.peer[e]] : [tape.peer[e], tape.node[e]];
      if (way < 1) found.push({ from, to, e, way });
    }
    return found;
  }
}

// ---- the picture: a scene on two canvases ---------------------------------------------------

const MOST_SHOWN = 200;    // peers on the circle
const MOST_FLIGHTS = 300;  // messages drawn on their way
const MANY = 300;          // links that are too many for arrows and round dots
const SLOW = 0.25;         // up to this speed single messages are seen
const STILL = typeof matchMedia === "function" ? matchMedia("(prefers-reduced-motion: reduce)") : { matches: false };
const TAU = 2 * Math.PI;
const FLIGHT_COLOURS = { data: "verified", GET: "gold", REQUEST: "gold", CANCEL: "bad", HAVE: "leech" };

/** The colours of the theme that holds now. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ground", "raised", "ink", "soft", "line", "accent", "bad", "good", "gold", "missing", "verified", "leech"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Pixels of the screen to one of CSS. */
const SHARP = () => Math.min(devicePixelRatio || 1, 2);

/** A canvas as sharp as the screen is; its context, in CSS pixels. */
function sharp(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = SHARP();
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** How wide a line is: a step for each tenfold of the rate, from 1 kB/s. */
function lineWidth(rate, crowd) {
  if (rate <= 0) return crowd ? 0.5 : 1;
  const width = 1.2 + 2 * Math.max(0, Math.log10(rate / 1000));
  return Math.round(2 * Math.min(10, width) * (crowd ? 0.4 : 1)) / 2 || 0.5;
}

class Picture {
  constructor(wires, moves) {
    const back = document.createElement("canvas");
    Object.assign(this, { wires, moves, back, work: null, places: [], busy: [], chosen: null, pulses: new Map() });
    this.colours = theme();
  }

  /** Where the peers stand: an ellipse with room for names around it. */
  place(scene) {
    const [width, height] = [this.wires.clientWidth, this.wires.clientHeight];
    const n = scene.nodes.length;
    this.crowd = n > 60;
    this.font = Math.max(11, Math.min(20, 0.9 * parseFloat(getComputedStyle(document.documentElement).fontSize)));
    const names = this.crowd ? 8 : this.font * 0.6 * Math.max(0, ...scene.nodes.map((node) => this.name(node.addr).length));
    const flat = n <= 14; // names lie beside the peers; in a crowd they point outwards
    let r = Math.max(4, Math.min(60, Math.min(width, height) / 13, (1.1 * Math.min(width, height)) / (n + 1)));
    const ry = Math.max(20, height / 2 - r - (flat ? this.font + 10 : names + 10));
    const rx = Math.max(20, Math.min(width / 2 - r - names - 12, 1.35 * ry));
    r = Math.min(r, (0.8 * Math.PI * Math.min(rx, ry)) / Math.max(1, n));
    Object.assign(this, { flat, r: Math.max(3.5, r), centre: [width / 2, height / 2] });
    this.places = scene.nodes.map((_, at) => {
      const angle = (at / n) * TAU - TAU / 4;
      return [width / 2 + rx * Math.cos(angle), height / 2 + ry * Math.sin(angle), angle];
    });
  }

  /** The line from one peer to another, bent to the left so that both ways are seen: 6 numbers. */
  line(from, to) {
    const [[ax, ay], [bx, by], [mx, my]] = [this.places[from], this.places[to], this.centre];
    const pull = 0.25;
    const cx = ((ax + bx) / 2) * (1 - pull) + mx * pull + (by - ay) * 0.07;
    const cy = ((ay + by) / 2) * (1 - pull) + my * pull - (bx - ax) * 0.07;
    const edge = (x, y) => {
      const far = Math.hypot(cx - x, cy - y) || 1;
      return [x + ((cx - x) * (this.r + 2)) / far, y + ((cy - y) * (this.r + 2)) / far];
    };
    return [...edge(ax, ay), cx, cy, ...edge(bx, by)];
  }

  /** The links that are drawn: all, or those of the chosen peer. */
  shown(scene) {
    const chosen = scene.nodes.findIndex((node) => node.addr === this.chosen);
    return chosen < 0 ? scene.links : scene.links.filter(({ from, to }) => from === chosen || to === chosen);
  }

  /**
   * Draws what changes with the scene for so many milliseconds: on a canvas behind, which is shown
   * when it is whole. So thousands of lines take some frames and no frame is late.
   */
  draw(scene, most) {
    const until = performance.now() + most;
    if (!this.work) {
      [this.back.width, this.back.height] = [this.wires.clientWidth * SHARP(), this.wires.clientHeight * SHARP()];
      this.work = this.steps(scene, this.back.getContext("2d", { willReadFrequently: true }));
    }
    while (performance.now() < until) {
      if (!this.work.next().done) continue;
      this.work = null;
      const { pen, width, height } = sharp(this.wires);
      if (width && height) pen.drawImage(this.back, 0, 0, width, height);
      return true;
    }
    return false;
  }

  *steps(scene, pen) {
    pen.setTransform(SHARP(), 0, 0, SHARP(), 0, 0);
    const links = this.shown(scene);
    yield* this.drawLines(pen, links);
    for (let at = 0; at < scene.nodes.length; at++) {
      this.drawPie(pen, scene.nodes[at], at);
      if (at % 20 === 19) yield pen.getImageData(0, 0, 1, 1);
    }
    this.drawNames(pen, scene, links);
    this.busy = links.filter((link) => link.rate > 0).sort((a, b) => b.rate - a.rate).slice(0, MANY);
  }

  /** Lines of one look, twenty to a path: faster than each by itself, and than all at once. */
  *drawLines(pen, links) {
    const styles = [this.colours.soft, this.colours.accent, this.colours.gold];
    const arrows = links.length <= MANY || STILL.matches;
    const looks = new Map();
    for (const link of links) {
      const width = lineWidth(link.rate, links.length > MANY);
      const key = `${link.standing}|${width}|${link.rate > 0}`;
      if (!looks.has(key)) looks.set(key, { ...link, width, links: [] });
      looks.get(key).links.push(link);
    }
    for (const { standing, rate, width, links: alike } of looks.values()) {
      pen.setLineDash(standing === 0 ? [5, 5] : []);
      pen.lineWidth = width;
      pen.strokeStyle = pen.fillStyle = styles[standing] || styles[0];
      for (let at = 0; at < alike.length; at += 20) {
        const [line, heads] = [new Path2D(), new Path2D()];
        for (const link of alike.slice(at, at + 20)) {
          const [ax, ay, cx, cy, bx, by] = link.line = this.line(link.from, link.to);
          line.moveTo(ax, ay);
          line.quadraticCurveTo(cx, cy, bx, by);
          if (arrows && rate > 0) this.addHead(heads, cx, cy, bx, by, 4 + width);
        }
        pen.globalAlpha = links.length > 2 * MANY ? 0.3 : rate > 0 ? 0.6 : 0.4;
        pen.stroke(line);
        pen.globalAlpha = 0.9;
        pen.fill(heads);
        yield pen.getImageData(0, 0, 1, 1); // or all of it would be drawn at the end
      }
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  addHead(path, cx, cy, x, y, size) {
    const angle = Math.atan2(y - cy, x - cx);
    path.moveTo(x, y);
    const far = 1.6 * size;
    for (const turn of [angle + 2.75, angle - 2.75]) path.lineTo(x + far * Math.cos(turn), y + far * Math.sin(turn));
    path.closePath();
  }

  drawPie(pen, node, at) {
    const [x, y] = this.places[at];
    const { r, colours } = this;
    const chosen = node.addr === this.chosen;
    pen.globalAlpha = node.hidden ? 0.25 : node.gone ? 0.45 : 1;
    pen.beginPath();
    pen.arc(x, y, r, 0, TAU);
    pen.fillStyle = colours.missing;
    pen.fill();
    pen.fillStyle = node.progress >= 1 ? colours.verified : colours.leech;
    if (node.progress > 0 && !node.hidden) {
      pen.beginPath();
      if (node.progress < 1) pen.moveTo(x, y);
      pen.arc(x, y, r, -TAU / 4, Math.min(node.progress, 1) * TAU - TAU / 4);
      pen.fill();
    }
    pen.beginPath();
    pen.arc(x, y, r, 0, TAU);
    pen.lineWidth = chosen ? 4 : this.crowd ? 1 : 1.5;
    pen.strokeStyle = chosen ? colours.accent : node.gone ? colours.bad : colours.ink;
    if (node.gone) pen.setLineDash([3, 3]);
    pen.stroke();
    pen.setLineDash([]);
    if (r >= 17 && !node.hidden) {
      pen.font = `600 ${Math.round(r * 0.58)}px system-ui, sans-serif`;
      [pen.textAlign, pen.textBaseline] = ["center", "middle"];
      this.write(pen, node.progress >= 1 ? "✓" : String(Math.floor(100 * node.progress)), x, y + 1);
    }
    pen.globalAlpha = 1;
  }

  /** Text that can be read on whatever lies below. */
  write(pen, text, x, y) {
    [pen.lineWidth, pen.lineJoin, pen.strokeStyle, pen.fillStyle] = [3, "round", this.colours.ground, this.colours.ink];
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  }

  drawNames(pen, scene, links) {
    const near = new Set(this.chosen === null ? [] : links.flatMap(({ from, to }) => [from, to]));
    pen.font = `${this.font}px system-ui, sans-serif`;
    scene.nodes.forEach((node, at) => {
      if (this.crowd && !(near.size && near.size < 60 && near.has(at)) && node.addr !== this.chosen) return;
      const [x, y, angle] = this.places[at];
      const left = Math.cos(angle) < -0.01;
      pen.fillStyle = node.addr === this.chosen ? this.colours.accent : this.colours.ink;
      pen.globalAlpha = node.hidden || node.gone ? 0.5 : 1;
      pen.save();
      pen.translate(x, y);
      const away = this.r + 6;
      if (this.flat) {
        const upright = Math.abs(Math.cos(angle)) < 0.3;
        pen.textAlign = upright ? "center" : left ? "right" : "left";
        pen.textBaseline = "middle";
        pen.translate(upright ? 0 : left ? -away : away, upright ? Math.sign(Math.sin(angle)) * (away + this.font / 2) : 0);
      } else {
        // In a crowd there is room for names inside only.
        pen.rotate(left ? angle + Math.PI : angle);
        const inwards = this.crowd ? -1 : 1;
        [pen.textAlign, pen.textBaseline] = [left === (inwards > 0) ? "right" : "left", "middle"];
        pen.translate((left ? -away : away) * inwards, 0);
      }
      pen.fillText(this.name(node.addr), 0, 0);
      pen.restore();
    });
    pen.globalAlpha = 1;
  }

  /** What moves: dots for data that flows, messages on their way, heartbeats. */
  drawMoves(now, scene, flights, flowing) {
    const { pen } = sharp(this.moves);
    if (!STILL.matches) {
      if (flowing) this.drawFlow(pen, now);
      this.drawPulses(pen, now, scene);
    }
    if (flights) this.drawFlights(pen, flights, scene);
  }

  /** Dots along the busiest links, more of them where more flows. */
  drawFlow(pen, now) {
    const colours = [this.colours.soft, this.colours.accent, this.colours.gold];
    const many = this.busy.length === MANY;
    const r = many ? 1.3 : Math.max(2.2, this.r / 10);
    for (const { line, rate, standing, from } of this.busy) {
      pen.fillStyle = colours[standing] || colours[0];
      const dots = many ? 2 : Math.max(1, Math.min(4, Math.round(Math.log10(rate / 1000))));
      for (let dot = 0; dot < dots; dot++) {
        const [x, y] = along(line, (now / 1400 + dot / dots + from * 0.37) % 1);
        if (many) {
          pen.fillRect(x - r, y - r, 2 * r, 2 * r);
          continue;
        }
        pen.beginPath();
        pen.arc(x, y, r, 0, TAU);
        pen.fill();
      }
    }
  }

  drawPulses(pen, now, scene) {
    scene.nodes.forEach((node, at) => {
      const way = (now - this.pulses.get(node.addr)) / 700;
      if (!(way < 1)) return;
      pen.globalAlpha = 1 - way;
      pen.strokeStyle = this.colours.good;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(this.places[at][0], this.places[at][1], this.r * (1 + 0.8 * way), 0, TAU);
      pen.stroke();
    });
    pen.globalAlpha = 1;
  }

  /** `flights` are {from, to, way, msg, bulk, current}. */
  drawFlights(pen, flights, scene) {
    const chosen = scene.nodes.findIndex((node) => node.addr === this.chosen);
    pen.font = `${this.font}px system-ui, sans-serif`;
    [pen.textAlign, pen.textBaseline] = ["center", "bottom"];
    const named = flights.length <= 12;
    for (const { from, to, way, msg, bulk, current } of flights) {
      if (chosen >= 0 && from !== chosen && to !== chosen) continue;
      if (!this.places[from] || !this.places[to]) continue;
      const [x, y] = along(this.line(from, to), STILL.matches ? 0.5 : way);
      const r = Math.max(3, this.r / (current ? 5 : bulk ? 7 : 10));
      pen.fillStyle = this.colours[FLIGHT_COLOURS[bulk ? "data" : msg] || "ink"];
      pen.beginPath();
      pen.arc(x, y, r, 0, TAU);
      pen.fill();
      if (!current && !named) continue;
      this.write(pen, msg, x, y - r - 2);
    }
  }
}

/** A place on a bent line, from 0 to 1. */
function along([ax, ay, cx, cy, bx, by], way) {
  const rest = 1 - way;
  return [rest * rest * ax + 2 * rest * way * cx + way * way * bx, rest * rest * ay + 2 * rest * way * cy + way * way * by];
}

// ---- the page -------------------------------------------------------------------------------

const SPEEDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const SLICE = 1 << 17;       // bytes of a trace between two breaths of the page
const LONGEST_LINE = 1 << 20;
const FREQUENT = new Set(["CHUNK_DATA", "PIECE", "GET", "REQUEST", "HAVE", "PING", "PONG"]);
const STANDINGS = ["choked", "serves it", "serves it on trial"];
const ORDERS = { kill: "kill it", limit: "limit it", "free-rider": "make it a free rider", add: "add a peer" };
const NO_LINKS = " No links are known: peers of other programs tell none, " +
  "and ours tell them only to trackers on loopback or private addresses.";
const NOTHING = { name: "", nodes: [], links: [], pieces: 0, more: 0 };
const $ = (id) => document.getElementById(id);

let source = "live";
let scene = NOTHING;
let picture = null;
let placed = "";           // for which peers and which size the circle was laid out
let dirty = true;          // the scene is not yet drawn
let list = null;           // EventSource of all swarms
let stream = null;         // EventSource of the one
let controls = null;       // {actions, token, said}, in labs only
let heard = null;          // what the lab has said before
let quiet = 0;             // how often in a row nothing was known of links
let replay = null;
let reading = 0;           // which reading of files is the last one
const play = { t: 0, at: 0, going: 0, speed: 6, last: 0 };

/** Children of `parent`, one a row and in their order: made once, then changed in place. */
function keyed(parent, rows, key, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  rows.forEach((row, at) => {
    const name = String(key(row));
    const child = old.get(name) || make(row);
    old.delete(name);
    child.dataset.key = name;
    update(child, row);
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] || null);
  });
  while (parent.children.length > rows.length) parent.lastChild.remove();
}

/** An element with a text. */
function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** Only what changed is written, so that nothing flickers and nothing is read out twice. */
function write(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

let heldUntil = 0; // what went wrong with files is not overwritten at once by what is live
function tell(text, bad = false, hold = 0) {
  const now = performance.now();
  if (now < heldUntil && !hold) return;
  heldUntil = now + hold;
  write($("state"), text);
  $("state").classList.toggle("bad", bad);
}

/** Addresses without what all of them share: a port says enough where the host is one. */
function shortNames(nodes) {
  const host = (addr) => addr.slice(0, addr.lastIndexOf(":"));
  const same = nodes.length > 1 && nodes.every((node) => node.addr.includes(":") && host(node.addr) === host(nodes[0].addr));
  picture.name = same ? (addr) => addr.slice(addr.lastIndexOf(":")) : (addr) => addr;
}

/** A new scene: at most so many peers as the circle takes, and everything that shows it. */
function show(next) {
  const more = Math.max(0, next.nodes.length - MOST_SHOWN);
  scene = more === 0 ? next : {
    ...next, more, nodes: next.nodes.slice(0, MOST_SHOWN),
    links: next.links.filter(({ from, to }) => from < MOST_SHOWN && to < MOST_SHOWN),
  };
  dirty = true;
}

// -- what is seen of a scene

/** Lays out the circle anew if other peers are on it or its size changed. */
function layOut() {
  const stage = $("stage");
  const now = `${stage.clientWidth}x${stage.clientHeight} ${scene.nodes.map((node) => node.addr).join()}`;
  if (now === placed) return;
  placed = now;
  picture.work = null;
  dirty = true;
  shortNames(scene.nodes);
  picture.place(scene);
  const size = `${Math.max(2 * picture.r, picture.crowd ? 8 : 24)}px`;
  keyed($("ring"), scene.nodes, (node) => node.addr, (node) => {
    const button = element("button");
    Object.assign(button, { type: "button", tabIndex: -1 });
    button.dataset.addr = node.addr;
    button.setAttribute("aria-label", sentence(node));
    return button;
  }, () => {});
  [...$("ring").children].forEach((button, at) => {
    const [x, y] = picture.places[at];
    Object.assign(button.style, { left: `${x}px`, top: `${y}px`, width: size, height: size });
  });
  const tabbed = $("ring").querySelector("[tabindex='0']");
  if (!tabbed && $("ring").firstChild) $("ring").firstChild.tabIndex = 0;
}

/** A peer in one sentence. */
function sentence(node) {
  if (node.hidden) return `${node.addr}, has not begun`;
  return `${node.addr}, has ${percent(node.progress)}, receives ${bytes(node.down)}/s, sends ${bytes(node.up)}/s` +
    (node.gone ? ", is gone" : "");
}

let labelled = -Infinity; // when the names of the circle's buttons were last renewed
/** The panel, the table and the names, which a few times a second are enough for. */
function showWords() {
  const at = scene.nodes.findIndex((node) => node.addr === picture.chosen);
  if (at < 0 && picture.chosen !== null && scene.nodes.length) return choose(null);
  const now = performance.now();
  [...$("ring").children].forEach((button, i) => {
    const node = scene.nodes[i];
    if (!node) return;
    if (now - labelled > 1000) button.setAttribute("aria-label", sentence(node));
    button.classList.toggle("chosen", i === at);
    button.setAttribute("aria-pressed", i === at);
  });
  if (now - labelled > 1000) labelled = now;
  $("of-peer").hidden = at < 0;
  if (at < 0) showSwarm(); else showPeer(at);
  if (!$("tables").hidden) showTables();
  showTip();
}

function showFacts(facts) {
  keyed($("peer-facts"), facts, ([what]) => what, ([what]) => {
    const pair = element("div");
    pair.append(element("dt", what), element("dd"));
    return pair;
  }, (pair, [, value]) => write(pair.lastChild, value));
}

function showSwarm() {
  const alive = scene.nodes.filter((node) => !node.hidden && !node.gone);
  write($("peer-name"), scene.name || "The swarm");
  const facts = [["peers", String(alive.length)], ["seeders", String(alive.filter((node) => node.progress >= 1).length)],
    ["in all", `${bytes(alive.reduce((sum, node) => sum + node.up, 0))}/s`]];
  if (scene.size) facts.push(["size", bytes(scene.size)]);
  if (scene.pieces) facts.push(["pieces", scene.pieces.toLocaleString("en")]);
  facts.push(["links", String(scene.links.length)]);
  if (scene.more) facts.push(["not shown", String(scene.more)]);
  showFacts(facts);
}

function showPeer(at) {
  const node = scene.nodes[at];
  write($("peer-name"), node.addr);
  const facts = [["has", percent(node.progress)], ["receives", `${bytes(node.down)}/s`], ["sends", `${bytes(node.up)}/s`]];
  if (node.age !== undefined) facts.push(["heard of", `${(node.age / 1000).toFixed(0)} s ago`]);
  if (node.serves !== undefined) facts.push(["serves", count(node.serves, "peer")]);
  if (node.traced === false) facts.push(["trace", "none opened"]);
  showFacts(facts);
  drawBar(node);
  const side = (id, links, other) => keyed($(id), links, other, (link) => {
    const item = element("li");
    const button = element("button", scene.nodes[other(link)].addr);
    button.type = "button";
    button.addEventListener("click", () => choose(button.textContent));
    item.append(button, element("span"));
    return item;
  }, (item, link) => {
    write(item.firstChild, scene.nodes[other(link)].addr);
    const rate = link.rate > 0 || link.standing ? `${bytes(link.rate)}/s` : "";
    const word = ["choked", "", "on trial"][link.standing];
    write(item.lastChild, [word, rate].filter(Boolean).join(", "));
  });
  const order = (other) => (a, b) => other(a) - other(b);
  const [to, from] = [(link) => link.to, (link) => link.from];
  side("serves", scene.links.filter((link) => link.from === at).sort(order(to)), to);
  side("served-by", scene.links.filter((link) => link.to === at).sort(order(from)), from);
}

/** A peer's pieces, from the first to the last. */
function drawBar(node) {
  const { pen, width, height } = sharp($("bar"));
  const parts = node.bits ? barOf(node.bits, scene.pieces, Math.min(256, scene.pieces))
    : [...(node.bar || "")].map((digit) => parseInt(digit, 16) / 15);
  pen.fillStyle = picture.colours.missing;
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = node.progress >= 1 ? picture.colours.verified : picture.colours.leech;
  parts.forEach((share, at) => {
    pen.globalAlpha = share;
    pen.fillRect((at * width) / parts.length, 0, width / parts.length + 0.5, height);
  });
  pen.globalAlpha = 1;
  const told = parts.length ? `Which pieces it has: ${percent(node.progress)}` : "It does not say which pieces it has";
  $("bar").setAttribute("aria-label", told);
}

/** Of each part of the bits the share that is set. */
function barOf(bits, pieces, parts) {
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [Math.floor((part * pieces) / parts), Math.floor(((part + 1) * pieces) / parts)];
    let there = 0;
    for (let piece = from; piece < to; piece++) there += (bits[piece >> 3] >> (7 - (piece & 7))) & 1;
    return there / Math.max(1, to - from);
  });
}

/** A row of a table: its first cell names it. */
function row(cells) {
  const made = element("tr");
  cells.forEach((name, at) => {
    const cell = element(at === 0 ? "th" : "td", "", name);
    if (at === 0) cell.scope = "row";
    made.append(cell);
  });
  return made;
}

function fillRow(tr, texts) {
  texts.forEach((text, at) => write(tr.children[at], text));
}

function showTables() {
  const serves = scene.nodes.map(() => []);
  for (const { from, to, standing } of scene.links) if (standing) serves[from].push(picture.name(scene.nodes[to].addr));
  const nodes = scene.nodes.map((node, at) => [node.addr, percent(node.progress), `${bytes(node.down)}/s`,
    `${bytes(node.up)}/s`, serves[at].join(", ") || "nobody"]);
  keyed($("nodes-table"), nodes, ([addr]) => addr, () => row(["", "n", "n", "n", ""]), fillRow);
  const addr = (at) => scene.nodes[at].addr;
  keyed($("links-table"), scene.links, ({ from, to }) => `${addr(from)} ${addr(to)}`, () => row(["", "", "n", ""]),
    (tr, { from, to, rate, standing }) => fillRow(tr, [addr(from), addr(to), `${bytes(rate)}/s`, STANDINGS[standing]]));
}

let pointed = null; // the button under the pointer or with the focus
function showTip() {
  const node = pointed && scene.nodes.find((one) => one.addr === pointed.dataset.addr);
  $("tip").hidden = !node;
  if (!node) return;
  write($("tip"), sentence(node).replace(/, /g, "\n"));
  const [x, y] = [pointed.offsetLeft, pointed.offsetTop];
  const { clientWidth, clientHeight } = $("stage");
  const [right, low, far] = [x > clientWidth / 2, y > clientHeight / 2, picture.r + 8];
  Object.assign($("tip").style, {
    left: right ? "auto" : `${x + far}px`, right: right ? `${clientWidth - x + far}px` : "auto",
    top: low ? "auto" : `${y}px`, bottom: low ? `${clientHeight - y}px` : "auto",
  });
}

function choose(addr) {
  picture.chosen = picture.chosen === addr ? null : addr;
  picture.work = null;
  dirty = true;
  showWords();
  if (source === "replay") showMoment();
}

// -- live

/** Another swarm, or none, is looked at; the list of swarms goes on. */
function openLive() {
  setSource("live");
  if (!list) {
    list = new EventSource("/live");
    list.addEventListener("state", (event) => onList(JSON.parse(event.data)));
    list.onerror = () => lost(list, "The tracker does not answer");
  }
  if (!stream) openSwarm(location.hash.slice(1));
}

function onList(state) {
  controls = state.controls || null;
  showControls();
  showSayings(state.now_ms);
  if (source !== "live") return;
  const swarms = state.swarms || [];
  const known = swarms.some((swarm) => swarm.hash === location.hash.slice(1));
  const words = ({ name, hash, seeders, leechers }) => `${name || hash.slice(0, 16)} (${seeders} + ${leechers})`;
  options(swarms.map((swarm) => [swarm.hash, words(swarm)]), location.hash.slice(1));
  if (!state.dashboard) return empty("This tracker does not show its swarms.\nStart it with --dashboard.");
  if (!location.hash && swarms.length) location.replace(`#${swarms[0].hash}`);
  if (!swarms.length && !known && !scene.nodes.length) empty("No swarm yet.\nShare a file: peer --seed big.zip");
}

function openSwarm(hash) {
  if (stream) stream.close();
  stream = null;
  quiet = 0;
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) return;
  show(NOTHING);
  tell("Connecting …");
  const mine = stream = new EventSource(`/live?swarm=${hash}`);
  mine.addEventListener("swarm", (event) => { if (mine === stream) onSwarm(JSON.parse(event.data)); });
  mine.addEventListener("beats", (event) => {
    for (const beat of JSON.parse(event.data).beats) picture.pulses.set(beat.from, performance.now());
  });
  mine.onerror = () => { if (mine === stream) lost(mine, "The tracker does not show this swarm"); };
}

/** A stream that broke comes back by itself; one that was refused is tried again. */
function lost(which, why) {
  if (source !== "live") return;
  const refused = which.readyState === EventSource.CLOSED;
  tell(refused ? `${why}; next try in 5 s.` : "Connection lost; trying again.", true);
  write($("said"), "Connection lost");
  if (!refused) return;
  which.close();
  setTimeout(() => {
    if (which === list) list = null;
    if (which === stream) stream = null;
    if (source === "live") openLive();
  }, 5000);
}

function onSwarm(told) {
  if (source !== "live") return;
  const was = new Map(scene.nodes.map((node) => [node.addr, node.progress]));
  const done = told.nodes.filter((node) => node.progress >= 1 && was.get(node.addr) < 1)
    .map((node) => `${node.addr} has everything`);
  if (done.length || $("said").textContent === "Connection lost") write($("said"), done.join("; ") || "Connected again");
  show({
    name: told.name, size: told.size, pieces: told.pieces, more: told.more || 0,
    nodes: told.nodes.map((node) => ({ ...node, age: node.age_ms })),
    links: told.links.map(([from, to, rate, standing]) => ({ from, to, rate, standing }))
      .filter(({ from, to }) => told.nodes[from] && told.nodes[to]),
  });
  quiet = scene.links.length || scene.nodes.length < 2 ? 0 : quiet + 1;
  empty(scene.nodes.length ? "" : "Nobody is in this swarm now.");
  const more = scene.more ? `, ${scene.more} more are not shown` : "";
  tell(`Live: ${count(scene.nodes.length, "peer")}${more}.${quiet > 2 ? NO_LINKS : ""}`);
  showWords();
}

function empty(text) {
  $("empty").hidden = text === "";
  write($("empty"), text);
  if (text && source === "live") tell("Live: connected.");
}

function fillOption(option, [value, text]) {
  option.value = value;
  write(option, text);
}

/** The choice of the swarm; hidden if there is none to make. */
function options(pairs, chosen) {
  const select = $("swarm");
  select.hidden = pairs.length < 2;
  if (document.activeElement === select && select.children.length === pairs.length) return;
  keyed(select, pairs, ([value]) => value, () => element("option"), fillOption);
  select.value = chosen;
}

/** Buttons that change the swarm: only where the server, a lab, names them. */
function showControls() {
  const may = (action) => source === "live" && Boolean(controls) && (controls.actions || []).includes(action);
  $("add").hidden = !may("add");
  for (const action of ["kill", "limit", "free-rider"]) $(action).hidden = !may(action);
  $("limit-rate").hidden = $("limit-rate").labels[0].hidden = !may("limit");
  $("controls").hidden = !["kill", "limit", "free-rider"].some(may);
  $("lab").hidden = source !== "live" || !controls;
}

/** What the lab says of orders and of itself: listed, and what is new is read out once. */
function showSayings(now) {
  const said = (controls && controls.said) || [];
  const name = ({ at_ms: at, text }) => `${at} ${text}`;
  const fresh = heard ? said.filter((one) => !heard.has(name(one))) : [];
  heard = new Set(said.map(name));
  if (fresh.length && source === "live") write($("said"), fresh.map(({ text }) => text).join("; "));
  const rows = said.length ? [...said].reverse() : [{ at_ms: now, text: "Nothing has happened yet." }];
  keyed($("sayings"), rows, name, () => element("li"), (item, { at_ms: at, text }) => {
    const secs = Math.max(0, Math.round((now - at) / 1000));
    write(item, said.length ? `${text} (${secs < 60 ? `${secs} s` : `${Math.floor(secs / 60)} min`} ago)` : text);
  });
}

async function control(action) {
  const asked = { action, addr: action === "add" ? null : picture.chosen };
  if (action === "limit") {
    const rate = $("limit-rate").value;
    if (rate === "" || Number(rate) < 0) return write($("control-said"), "Not done: give a rate in kB/s; 0 is no limit.");
    asked.rate = Math.round(1000 * Number(rate));
  }
  write($("control-said"), "…");
  try {
    const headers = { "Content-Type": "application/json", "X-Token": controls.token };
    const answer = await fetch("/control", { method: "POST", headers, body: JSON.stringify(asked) });
    const words = (await answer.text()).slice(0, 300);
    write($("control-said"), answer.ok ? `Asked to ${ORDERS[action]}; see below what comes of it.` : `Not done: ${words || answer.status}`);
  } catch (error) {
    write($("control-said"), "Not done: the lab does not answer.");
  }
}

// -- replay

function setSource(next) {
  source = document.body.dataset.source = next;
  $("live").setAttribute("aria-pressed", next === "live");
  $("open").setAttribute("aria-pressed", next === "replay");
  $("replay").hidden = $("around").hidden = next !== "replay";
  write($("dots-said"), `dots: data on its way${next === "live" ? "" : "; when slow, messages: data green, requests gold"}`);
  placed = "";
  showControls();
}

/** Lets the page do what else it has to do. */
const breath = () => new Promise((go) => setTimeout(go));

/** Reads traces slice by slice, so that the page stays usable, and replays them. */
async function readFiles(files) {
  const mine = ++reading;
  const tape = new Tape();
  const size = files.reduce((sum, file) => sum + file.size, 0) || 1;
  let done = 0;
  $("reading").hidden = false;
  try {
    for (const file of files) {
      const number = tape.addFile(file.name);
      const decoder = new TextDecoder();
      let rest = "";
      for (let from = 0; from < file.size; from += SLICE) {
        const slice = await file.slice(from, from + SLICE).arrayBuffer();
        await breath();
        if (mine !== reading) return;
        const lines = (rest + decoder.decode(slice, { stream: true })).split("\n");
        rest = lines.pop();
        if (rest.length > LONGEST_LINE) rest = "{";
        for (const line of lines) tape.addLine(number, line);
        $("reading").value = (done += slice.byteLength) / size;
        tell(`Reading ${file.name}: ${count(tape.length, "event")}`, false, 1000);
      }
      tape.addLine(number, rest);
    }
    if (!tape.length) throw new Error("there is no event in it; a trace is what peer --trace FILE writes");
    for (const part of Tape.PARTS) {
      tape[part]();
      await breath();
    }
    if (mine === reading) openTape(tape);
  } catch (error) {
    tell(`Cannot replay ${files.map((file) => file.name).join(", ")}: ${error.message}.`, true, 8000);
  } finally {
    if (mine === reading) $("reading").hidden = true;
  }
}

function openTape(tape) {
  if (list) list.close();
  if (stream) stream.close();
  list = stream = null;
  setSource("replay");
  empty("");
  const torrents = tape.torrentList().map((id) => [String(id), `torrent ${tape.torrents.list[id] || "without a name"}`]);
  options(torrents, torrents[0][0]);
  openReplay(new Replay(tape));
}

function openReplay(next) {
  replay = next;
  picture.chosen = null;
  heldUntil = 0;
  const { tape } = replay;
  shortNames(tape.nodes);
  const off = tape.files.filter((file) => !file.aligned).map((file) => file.name);
  tell(`Replay: ${count(replay.list.length, "event")} of ${count(tape.nodes.length, "peer")}, ${clock(replay.end)}.` +
    (tape.malformed ? ` ${count(tape.malformed, "line")} could not be read.` : "") +
    (tape.missing ? ` ${count(tape.missing, "line")} were never written, the disk was too slow.` : "") +
    (off.length ? ` Nothing ties the clock of ${off.join(", ")} to the others: it begins at 0.` : ""));
  $("time").max = replay.end;
  const words = ({ at, what, node }) => [clock(replay.times[at]), node < 0 ? "" : picture.name(tape.nodes[node].addr), what];
  const marks = replay.marks.map((mark) => [mark.at, words(mark).filter(Boolean).join("  ")]);
  keyed($("marks"), [[-1, "…"], [0, "the beginning"], ...marks], String, () => element("option"), fillOption);
  goTime(0);
  drive(0);
  drawStrip();
}

/** To a moment: all events up to it have happened. */
function goTime(t) {
  play.t = Math.max(0, Math.min(t, replay.end));
  play.at = after(replay.times, play.t);
}

/** To just after the event at this place. */
function goEvent(at) {
  play.t = replay.times[at];
  play.at = at + 1;
  drive(0);
  showMoment();
}

/** Whether steps stop at this event. */
function counts(at) {
  const { tape } = replay;
  const e = replay.list[at];
  const filter = $("filter").value;
  const ev = tape.evs.list[tape.ev[e]];
  const ends = [tape.node[e], tape.peer[e]].map((node) => tape.nodes[node]?.addr);
  if (picture.chosen !== null && !ends.includes(picture.chosen)) return false;
  if (filter === "all") return true;
  const said = ev === "send" || ev === "recv";
  if (filter === "decisions") return !said && ev !== "pick";
  return ev !== "pick" && !FREQUENT.has(tape.words.list[tape.msg[e]]);
}

/** The next place in a direction where steps stop, or -1; a look at so many events is enough. */
function nextPlace(at, way, most = 1e6) {
  for (let looked = 0; at >= 0 && at < replay.list.length && looked < most; at += way, looked++) if (counts(at)) return at;
  return -1;
}

function step(way) {
  const at = nextPlace(way > 0 ? play.at : play.at - 2, way);
  if (at >= 0) goEvent(at);
}

/** Forwards (1), backwards (-1) or not at all (0). */
function drive(way) {
  if (way > 0 && play.t >= replay.end) goTime(0);
  play.going = way;
  for (const [id, mine] of [["forth", 1], ["back", -1], ["pause", 0]]) $(id).setAttribute("aria-pressed", way === mine);
  showMoment();
}

function setSpeed(at) {
  play.speed = Math.max(0, Math.min(at, SPEEDS.length - 1));
  $("speed").value = play.speed;
  const words = `${SPEEDS[play.speed]}x`;
  write($("speed-said"), words);
  $("speed").setAttribute("aria-valuetext", words);
}

/** The moment in words: the scrubber, the event, and those around it. */
function showMoment() {
  if (!replay) return;
  show(replay.scene(play.at, play.t));
  $("time").value = play.t;
  $("time").setAttribute("aria-valuetext", clock(play.t));
  write($("time-said"), clock(play.t));
  const here = nextPlace(play.at - 1, -1, 2e4);
  const name = (node) => (node < 0 ? "?" : picture.name(replay.tape.nodes[node].addr));
  const words = (at) => `${clock(replay.times[at])}  ${describe(replay.tape, replay.list[at], name)}`;
  write($("now"), here < 0 ? "Nothing has happened yet." : words(here));
  const around = here < 0 ? [] : [here];
  for (let at = here; around.length < 6 && at >= 0;) if ((at = nextPlace(at - 1, -1, 2e4)) >= 0) around.unshift(at);
  for (let at = play.at - 1; around.length < 12 && at < replay.list.length;) {
    if ((at = nextPlace(at + 1, 1, 2e4)) < 0) break;
    around.push(at);
  }
  $("events").replaceChildren(...around.map((at) => element("li", words(at), at === here ? "here" : "")));
  showWords();
}

/** Above the scrubber: how much came when, and the marks. */
function drawStrip() {
  const { pen, width, height } = sharp($("strip"));
  const bins = new Float64Array(Math.max(1, Math.floor(width / 3)));
  const bin = (t) => Math.min(bins.length - 1, Math.floor((t / (replay.end || 1)) * bins.length));
  replay.list.forEach((e, at) => { if (replay.carries[at] >= 0) bins[bin(replay.times[at])] += replay.tape.len[e]; });
  const most = Math.max(1, ...bins);
  pen.fillStyle = picture.colours.leech;
  bins.forEach((sum, at) => pen.fillRect(at * 3, height - (sum / most) * (height - 4), 2, height));
  for (const mark of replay.marks) {
    const colour = { "complete": "verified", "first unchoke": "gold", "first piece verified": "ink" }[mark.what] || "bad";
    pen.fillStyle = picture.colours[colour];
    pen.fillRect((replay.times[mark.at] / (replay.end || 1)) * width - 1, 0, 2, height);
  }
}

/** Messages on their way now, or null where they would be a blur. */
function flights() {
  const speed = SPEEDS[play.speed];
  if (source !== "replay" || (play.going && speed > SLOW)) return null;
  const current = play.going ? -1 : nextPlace(play.at - 1, -1, 1);
  const e = current < 0 ? -1 : replay.list[current];
  const { tape } = replay;
  const dress = (flight) => {
    const msg = tape.words.list[tape.msg[flight.e]];
    return { ...flight, msg, bulk: BULK.has(msg), current: flight.e === e || flight.e === tape.pair[e] };
  };
  const all = play.going ? replay.flights(play.t, 0.6 * speed, MOST_FLIGHTS).map(dress) : [];
  const sent = e >= 0 && ["send", "recv"].includes(tape.evs.list[tape.ev[e]]);
  if (sent && tape.peer[e] >= 0) {
    const out = tape.ev[e] === replay.code.send;
    const ends = [tape.node[e], tape.peer[e]];
    const [from, to] = out ? ends : ends.reverse();
    all.push(dress({ e, from, to, way: out ? 0.35 : 0.85 }));
  }
  return all;
}

// -- frames

let shownAt = -1; // up to which event, and when, a replay was last shown while it plays
let shownWhen = 0;
let worded = 0;   // when words were last renewed
let drawn = null; // the scene whose lines are being drawn
let cost = 0;     // milliseconds of a frame, on the mean
function frame(now) {
  const began = performance.now();
  if (source === "replay" && replay && play.going) {
    goTime(play.t + (play.going * SPEEDS[play.speed] * Math.min(250, now - play.last)) / 1000);
    if (play.t <= 0 && play.going < 0) drive(0);
    else if (play.t >= replay.end && play.going > 0) drive(0);
    else if (now - worded > 120) [worded] = [now, showMoment()];
    else if (!picture.work && (play.at !== shownAt || now - shownWhen > 100)) {
      [shownAt, shownWhen] = [play.at, now];
      show(replay.scene(play.at, play.t));
    }
  }
  play.last = now;
  layOut();
  if (dirty && !picture.work) [drawn, dirty] = [scene, false];
  if (picture.work || drawn) if (picture.draw(drawn, 4)) drawn = null;
  picture.drawMoves(now, scene, flights(), source === "live" || (play.going && SPEEDS[play.speed] > SLOW));
  cost += 0.05 * (performance.now() - began - cost);
  if (now - frame.told > 1000) [document.body.dataset.frameMs, frame.told] = [cost.toFixed(2), now];
  requestAnimationFrame(frame);
}
frame.told = 0;

// -- start

/** Light, dark or as the system has it; kept for the next time. */
function nextTheme(now) {
  if (now === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = now;
  write($("theme"), `Theme: ${now}`);
  try { localStorage.setItem("theme", now); } catch (error) { /* not kept, then */ }
  recolour();
}

function recolour() {
  picture.colours = theme();
  dirty = true;
  if (replay && source === "replay") drawStrip();
  showWords();
}

function onKey(event) {
  const on = event.target.tagName;
  if (event.key === "Escape" && picture.chosen !== null) return choose(picture.chosen);
  if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(on)) return;
  if (event.target.closest("#ring") && event.key.startsWith("Arrow")) return walk(event);
  if (source !== "replay" || !replay) return;
  if (event.key === " " && on !== "BUTTON" && on !== "A") drive(play.going ? 0 : 1);
  else if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "+") setSpeed(play.speed + 1);
  else if (event.key === "-") setSpeed(play.speed - 1);
  else return;
  event.preventDefault();
}

/** Arrow keys go round the circle; only one peer is a stop of the tab key. */
function walk(event) {
  const all = [...$("ring").children];
  const way = event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1;
  const next = all[(all.indexOf(event.target) + way + all.length) % all.length];
  for (const button of all) button.tabIndex = button === next ? 0 : -1;
  next.focus();
  event.preventDefault();
}

function begin() {
  picture = new Picture($("wires"), $("moves"));
  picture.name = (addr) => addr;
  let kept = "auto";
  try { kept = localStorage.getItem("theme") || "auto"; } catch (error) { /* as the system has it */ }
  nextTheme(["light", "dark"].includes(kept) ? kept : "auto");
  const on = (id, what, act) => $(id).addEventListener(what, act);
  on("theme", "click", () => nextTheme({ auto: "light", light: "dark", dark: "auto" }[$("theme").textContent.slice(7)]));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  on("live", "click", () => { reading++; openLive(); });
  on("open", "click", () => $("files").click());
  on("files", "change", () => { if ($("files").files.length) readFiles([...$("files").files]); $("files").value = ""; });
  on("swarm", "change", () => {
    const { value } = $("swarm");
    if (source === "live") location.hash = value; else openReplay(new Replay(replay.tape, Number(value)));
  });
  on("as-table", "click", () => {
    const table = $("tables").hidden;
    $("as-table").setAttribute("aria-pressed", table);
    [$("tables").hidden, $("stage").hidden] = [!table, table];
    showWords();
  });
  on("unchoose", "click", () => choose(null));
  for (const action of ["kill", "limit", "free-rider", "add"]) on(action, "click", () => control(action));
  on("ring", "click", (event) => { if (event.target.dataset.addr) choose(event.target.dataset.addr); });
  on("stage", "click", (event) => { if (event.target.tagName !== "BUTTON" && picture.chosen !== null) choose(null); });
  const point = (event) => { pointed = event.target.dataset.addr ? event.target : null; showTip(); };
  for (const what of ["pointerover", "focusin"]) on("ring", what, point);
  for (const what of ["pointerout", "focusout"]) on("ring", what, () => { pointed = null; showTip(); });
  on("forth", "click", () => drive(1));
  on("back", "click", () => drive(-1));
  on("pause", "click", () => drive(0));
  on("step", "click", () => step(1));
  on("step-back", "click", () => step(-1));
  on("slower", "click", () => setSpeed(play.speed - 1));
  on("faster", "click", () => setSpeed(play.speed + 1));
  on("speed", "input", () => setSpeed(Number($("speed").value)));
  on("time", "input", () => { goTime(Number($("time").value)); showMoment(); });
  on("filter", "change", showMoment);
  on("marks", "change", () => {
    if (Number($("marks").value) >= 0) goEvent(Number($("marks").value));
    $("marks").selectedIndex = 0;
  });
  addEventListener("hashchange", () => { if (source === "live") openSwarm(location.hash.slice(1)); });
  addEventListener("resize", () => { dirty = true; if (replay && source === "replay") drawStrip(); });
  addEventListener("keydown", onKey);
  for (const what of ["dragover", "drop", "dragleave"]) addEventListener(what, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", what === "dragover");
    if (what === "drop" && event.dataTransfer.files.length) readFiles([...event.dataTransfer.files]);
  });
  tell("Connecting …");
  openLive();
  requestAnimationFrame(frame);
}

if (typeof document !== "undefined") begin();
if (typeof module !== "undefined") module.exports = { Tape, Replay, Words, after, bytes, describe, whyWords };
