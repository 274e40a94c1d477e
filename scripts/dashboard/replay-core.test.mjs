// The replay's core without a page: `node --test scripts/dashboard/`. Traces are golden and inline.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const { Tape, Replay, describe } = createRequire(import.meta.url)("../../src/tracker/pages/swarm-view.js");

const ANN = "10.0.0.1:6881";
const BEN = "10.0.0.2:6881";
const CAT = "10.0.0.3:6881";

/** One line as a node writes it. */
const line = (t, n, ev, rest = {}) => JSON.stringify({ t, n, ev, ...rest });

// Ann has both pieces. Ben's trace began 100 s after hers, on a clock of his own; a message takes 10 ms.
const ANNS = [
  line(0, ANN, "start", { id: "-SW0100-annannannann", listen: ANN }),
  line(100.02, ANN, "open", { conn: 4, to: BEN, dialect: "native", dialled: false, id: "-SW0100-benbenbenben", here: ANN, there: "10.0.0.2:40000", torrent: "2406003e" }),
  line(100.01, ANN, "recv", { conn: 4, from: BEN, msg: "HELLO", kind: "command", seq: 0 }),
  line(100.02, ANN, "send", { conn: 4, to: BEN, msg: "STATE", kind: "control", seq: 0 }),
  line(100.03, ANN, "send", { conn: 4, to: BEN, msg: "HAVE_ALL", kind: "control", seq: 1 }),
  line(100.05, ANN, "recv", { conn: 4, from: BEN, msg: "INTERESTED", kind: "command", seq: 1 }),
  line(100.06, ANN, "unchoke", { conn: 4, to: BEN, why: { rule: "optimistic", among: 1 }, torrent: "2406003e" }),
  line(100.06, ANN, "send", { conn: 4, to: BEN, msg: "UNCHOKE", kind: "control", seq: 2 }),
  line(100.2, ANN, "send", { conn: 4, to: BEN, msg: "CHUNK_DATA", kind: "data", seq: 3, piece: 0, off: 0, len: 16384 }),
  line(100.3, ANN, "send", { conn: 4, to: BEN, msg: "CHUNK_DATA", kind: "data", seq: 4, piece: 1, off: 0, len: 8192 }),
  line(110, ANN, "choke", { set: [{ conn: 4, to: BEN, why: { rule: "gives", rank: 1, of: 1, rate: 2000 } }], dropped: [], torrent: "2406003e" }),
  line(120, ANN, "choke", { set: [], dropped: [{ conn: 4, to: BEN }], torrent: "2406003e" }),
  line(120, ANN, "send", { conn: 4, to: BEN, msg: "CHOKE", kind: "control", seq: 5 }),
];
const BENS = [
  line(0, BEN, "start", { id: "-SW0100-benbenbenben", listen: BEN }),
  line(0.03, BEN, "open", { conn: 1, to: ANN, dialect: "native", dialled: true, id: "-SW0100-annannannann", here: "10.0.0.2:40000", there: ANN, torrent: "2406003e" }),
  line(0, BEN, "send", { conn: 1, to: ANN, msg: "HELLO", kind: "command", seq: 0 }),
  line(0.03, BEN, "recv", { conn: 1, from: ANN, msg: "STATE", kind: "control", seq: 0 }),
  line(0.04, BEN, "recv", { conn: 1, from: ANN, msg: "HAVE_ALL", kind: "control", seq: 1 }),
  line(0.04, BEN, "send", { conn: 1, to: ANN, msg: "INTERESTED", kind: "command", seq: 1 }),
  line(0.07, BEN, "recv", { conn: 1, from: ANN, msg: "UNCHOKE", kind: "control", seq: 2 }),
  line(0.21, BEN, "recv", { conn: 1, from: ANN, msg: "CHUNK_DATA", kind: "data", seq: 3, piece: 0, off: 0, len: 16384 }),
  line(0.25, BEN, "verify", { piece: 0, ok: true, torrent: "2406003e" }),
  line(0.31, BEN, "recv", { conn: 1, from: ANN, msg: "CHUNK_DATA", kind: "data", seq: 4, piece: 1, off: 0, len: 8192 }),
  line(0.35, BEN, "verify", { piece: 1, ok: true, torrent: "2406003e" }),
  line(0.35, BEN, "complete", { torrent: "2406003e" }),
  line(20.01, BEN, "recv", { conn: 1, from: ANN, msg: "CHOKE", kind: "control", seq: 5 }),
  line(25, BEN, "close", { conn: 1, to: ANN, says: "the peer said BYE" }),
];

function tapeOf(...files) {
  const tape = new Tape();
  files.forEach((lines, at) => {
    const file = tape.addFile(`${at}.jsonl`);
    for (const text of lines) tape.addLine(file, text);
  });
  tape.finish();
  return tape;
}

/** What a replay shows at a moment, in short: peers' pieces, links as [from, to, standing, rate, total]. */
function at(replay, t) {
  const place = replay.times.findLastIndex((time) => time <= t) + 1;
  const { nodes, links } = replay.scene(place, t);
  return {
    has: Object.fromEntries(nodes.map((node) => [node.addr, Math.round(node.progress * replay.pieces)])),
    links: links.map((link) => [nodes[link.from].addr, nodes[link.to].addr, link.standing, link.rate, link.total]),
  };
}

const close = (value, expected) => assert.ok(Math.abs(value - expected) < 1e-6, `${value} is not ${expected}`);

test("two_clocks_become_one_by_the_quickest_message_each_way", () => {
  for (const [files, ann, ben] of [[[ANNS, BENS], 0, 1], [[BENS, ANNS], 1, 0]]) {
    const tape = tapeOf(...files);
    close(tape.files[ann].offset, 0);
    close(tape.files[ben].offset, 100);
    assert.ok(tape.files.every((file) => file.aligned));
    assert.equal(tape.nodes.length, 2);
  }
});

test("a_file_that_nothing_ties_to_the_others_is_said_to_be_so", () => {
  const tape = tapeOf(ANNS, BENS, [line(1, CAT, "start", { listen: CAT })]);
  assert.deepEqual(tape.files.map((file) => file.aligned), [true, true, false]);
});

test("a_message_is_one_at_both_of_its_ends", () => {
  const tape = tapeOf(ANNS, BENS);
  const heard = [...tape.t.keys()].filter((e) => tape.evs.list[tape.ev[e]] === "recv");
  assert.equal(heard.length, 8);
  for (const e of heard) {
    close(tape.t[e] - tape.t[tape.pair[e]], 0.01);
    assert.equal(tape.pair[tape.pair[e]], e);
    assert.equal(tape.node[tape.pair[e]], tape.peer[e]);
  }
});

test("the_state_at_a_moment_is_what_had_happened_by_then", () => {
  const replay = new Replay(tapeOf(ANNS, BENS));
  assert.equal(replay.pieces, 2);
  assert.deepEqual(at(replay, 50), { has: { [ANN]: 2, [BEN]: 0 }, links: [] });
  assert.deepEqual(at(replay, 100.055), { has: { [ANN]: 2, [BEN]: 0 }, links: [[ANN, BEN, 0, 0, 0]] });
  assert.deepEqual(at(replay, 100.28), { has: { [ANN]: 2, [BEN]: 1 }, links: [[ANN, BEN, 2, 16384, 16384]] });
  assert.deepEqual(at(replay, 101.25), { has: { [ANN]: 2, [BEN]: 2 }, links: [[ANN, BEN, 2, 8192, 24576]] });
  assert.deepEqual(at(replay, 111).links, [[ANN, BEN, 1, 0, 24576]]);
  assert.deepEqual(at(replay, 121).links, [[ANN, BEN, 0, 0, 24576]]);
  assert.deepEqual(at(replay, 125).links, []);
});

test("one_ends_trace_is_enough", () => {
  const anns = new Replay(tapeOf(ANNS));
  assert.deepEqual(at(anns, 101), { has: { [ANN]: 2, [BEN]: 0 }, links: [[ANN, BEN, 2, 24576, 24576]] });
  const bens = new Replay(tapeOf(BENS));
  assert.deepEqual(at(bens, 1), { has: { [ANN]: 2, [BEN]: 2 }, links: [[ANN, BEN, 1, 24576, 24576]] });
});

test("a_seeder_that_shows_pieces_one_by_one_has_them_all", () => {
  const link = { conn: 1, to: BEN };
  const lines = [
    line(0, ANN, "open", { ...link, here: ANN, there: "10.0.0.2:40000" }),
    line(1, ANN, "send", { ...link, msg: "HAVE_NONE", seq: 0 }),
    line(2, ANN, "show", { ...link, piece: 2, why: { rule: "fewest-copies", copies: 0 } }),
  ];
  assert.deepEqual(at(new Replay(tapeOf(lines)), 1.5).has, { [ANN]: 3, [BEN]: 0 });
});

test("what_was_there_before_a_download_went_on_is_known_when_it_is_complete", () => {
  const link = { conn: 1, to: BEN };
  const lines = [
    line(1, ANN, "send", { ...link, msg: "BITFIELD", seq: 0, first: 0, len: 1 }),
    line(2, ANN, "verify", { piece: 3, ok: true }),
    line(3, ANN, "complete"),
  ];
  const replay = new Replay(tapeOf(lines));
  assert.deepEqual([at(replay, 1.5).has[ANN], at(replay, 2.5).has[ANN]], [3, 4]);
  const anew = new Replay(tapeOf([lines[1], lines[2]]));
  assert.deepEqual([at(anew, 1.5).has[ANN], at(anew, 2.5).has[ANN]], [0, 1]);
});

test("peers_of_a_world_share_the_number_of_their_connection", () => {
  const lines = [
    line(0, ANN, "open", { conn: 9, to: BEN, dialect: "native", dialled: true }),
    line(0, BEN, "open", { conn: 9, to: ANN, dialect: "native", dialled: false }),
    line(1, ANN, "send", { conn: 9, to: BEN, msg: "CHUNK_DATA", kind: "data", seq: 0, piece: 0, off: 0, len: 1000 }),
    line(2, BEN, "recv", { conn: 9, from: ANN, msg: "CHUNK_DATA", kind: "data", seq: 0, piece: 0, off: 0, len: 1000 }),
  ];
  const replay = new Replay(tapeOf(lines));
  assert.deepEqual(at(replay, 2.5).links, [[ANN, BEN, 0, 1000, 1000]]);
  const [flight] = replay.flights(1.5, 0.1, 10);
  assert.deepEqual([flight.from, flight.to, flight.way], [0, 1, 0.5]);
});

/** A long trace of many peers, the same for the same seed. */
function noise(seed, events) {
  const dice = (n) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
  const peers = Array.from({ length: 8 }, (_, at) => `10.0.0.${at + 1}:6881`);
  const seqs = {};
  return Array.from({ length: events }, (_, at) => {
    const [a, b] = [dice(8), dice(8)];
    const link = { conn: 8 * Math.min(a, b) + Math.max(a, b), to: peers[b] };
    const seq = (seqs[`${a} ${b}`] = (seqs[`${a} ${b}`] ?? -1) + 1);
    const say = (msg, rest) => line(at / 100, peers[a], "send", { ...link, msg, seq, ...rest });
    switch (dice(9)) {
      case 0: return line(at / 100, peers[a], "verify", { piece: dice(40), ok: dice(5) > 0 });
      case 1: return say("UNCHOKE");
      case 2: return say("CHOKE");
      case 3: return say("INTERESTED");
      case 4: return line(at / 100, peers[a], "choke", { set: [{ ...link, why: { rule: dice(2) ? "gives" : "optimistic" } }], dropped: [] });
      case 5: return dice(20) ? say("HAVE", { piece: dice(40) }) : line(at / 100, peers[a], "close", { ...link, says: "end" });
      default: return say("CHUNK_DATA", { piece: dice(40), off: 0, len: dice(20000) });
    }
  });
}

test("backwards_and_any_jump_give_what_forwards_gives", () => {
  const lines = noise(7, 20_000);
  const replay = new Replay(tapeOf(lines));
  assert.ok(replay.list.length > 4 * replay.every, "there are several snapshots");
  const places = [20_000, 3, 12_288, 12_287, 4096, 19_999, 8191, 0, 15_000, 1];
  for (let turn = 0; turn < 30; turn++) places.push((turn * 7919) % 20_001);
  for (const place of places) {
    const fresh = new Replay(replay.tape);
    assert.deepEqual(replay.scene(place, replay.times[place - 1] ?? 0), fresh.scene(place, replay.times[place - 1] ?? 0), `after ${place} events`);
  }
});

test("lines_that_are_no_events_are_counted_and_passed_over", () => {
  const wrong = [
    "{", "null", "7", "[]", "{}", line(-1, ANN, "send"), line("1", ANN, "send"), line(1, 7, "send"), line(1, "", "send"),
    line(1, ANN, ""), line(1, ANN, "verify", { piece: -1 }), line(1, ANN, "verify", { piece: 1e9 }),
    line(1, ANN, "send", { conn: 1, to: BEN, msg: "PIECE", len: 1.5 }), line(1, ANN, "choke"),
    line(1, ANN, "choke", { set: [null], dropped: [] }), line(1, ANN, "pick", { why: "because" }),
    line(1, ANN, "close", { conn: 1, to: BEN, says: 7 }), "x".repeat(1000), line(1e9, ANN, "start"),
  ];
  const tape = tapeOf([...wrong, "", ...ANNS]);
  assert.equal(tape.malformed, wrong.length);
  assert.equal(tape.length, ANNS.length);
  assert.deepEqual(at(new Replay(tape), 101), at(new Replay(tapeOf(ANNS)), 101));
});

test("an_event_that_is_not_known_is_kept_and_changes_nothing", () => {
  const replay = new Replay(tapeOf([line(0, ANN, "dream", { to: BEN, why: { rule: "of-sheep" } })]));
  assert.equal(describe(replay.tape, 0, (node) => replay.tape.nodes[node].addr), `${ANN} dream ${BEN} — of sheep`);
  assert.deepEqual(at(replay, 1).links, []);
});

test("decisions_are_told_with_their_reasons", () => {
  const { tape } = new Replay(tapeOf(ANNS, BENS));
  const name = (node) => tape.nodes[node].addr;
  const told = [...tape.t.keys()].map((e) => describe(tape, e, name));
  assert.ok(told.includes(`${ANN} gives a free slot to ${BEN} — optimistic: drawn among 1`));
  assert.ok(told.includes(`${ANN} serves ${BEN} (gives 2.0 kB/s, place 1 of 1)`));
  assert.ok(told.includes(`${ANN} serves nobody; chokes ${BEN}`));
  assert.ok(told.includes(`${BEN} ← ${ANN}  CHUNK_DATA piece 0 at 0, 16.4 kB arrives`));
});

test("the_moments_to_jump_to_are_in_their_order", () => {
  const replay = new Replay(tapeOf(ANNS, BENS));
  const marks = replay.marks.map(({ at: place, what, node }) => [replay.times[place].toFixed(2), what, node]);
  assert.deepEqual(marks, [["100.06", "first unchoke", -1], ["100.25", "first piece verified", -1], ["100.35", "complete", 1],
    ["120.00", "falls silent", 0]]);
});

test("each_torrent_has_a_replay_of_its_own", () => {
  const other = line(1, CAT, "verify", { piece: 9, ok: true, torrent: "ffffffff" });
  const tape = tapeOf([...ANNS, other]);
  const [first, second] = tape.torrentList().map((torrent) => new Replay(tape, torrent));
  assert.deepEqual([first.pieces, second.pieces], [2, 10]);
  assert.deepEqual(at(second, 200).has, { [ANN]: 0, [BEN]: 0, [CAT]: 1 });
});
