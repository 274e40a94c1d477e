// The page of a node, in one classic script: no module, no library, nothing fetched from elsewhere.
//
//   words and numbers -> the document -> where we are -> the stream -> orders -> torrents
//   -> pieces -> peers -> choking -> graphs -> files -> trackers -> log -> dialogs -> keys
//
// The server says everything (/events once a second, /log while the log is open) and is asked to change
// something in one place only, `order`. What strangers wrote gets into the document as text, never as markup.
"use strict";

// ---- Words and numbers ----------------------------------------------------------------------

const STATES = { "stopped": "paused", "waits-to-check": "waits to be checked", "checking": "checking", "looking": "looking for its description", "downloading": "downloading", "seeding": "seeding" };

// A count with thin spaces between thousands: the same in every language.
const count = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

// Bytes in decimal units, as the program writes them: 16.4 kB, 500 MB, 1.1 GB.
function bytes(n) {
  if (n == null) return "–";
  const units = [[1, "B", 1000], [1e3, "kB", 999500], [1e6, "MB", 999.5e6], [1e9, "GB", 999.5e9], [1e12, "TB", Infinity]];
  const [unit, word] = units.find((row) => n < row[2]);
  const value = n / unit;
  return value.toFixed(unit > 1 && value < 99.95 ? 1 : 0).replace(/\.0$/, "") + " " + word;
}

// Bytes per second, as the program writes them: 0 kB/s, 9.9 kB/s, 512 kB/s, 1.0 MB/s.
function rate(n) {
  if (!n) return "0 kB/s";
  if (n < 9950) return Math.max(0.1, n / 1e3).toFixed(1) + " kB/s";
  if (n < 999500) return (n / 1e3).toFixed(0) + " kB/s";
  if (n < 999.5e6) return (n / 1e6).toFixed(n < 99.95e6 ? 1 : 0) + " MB/s";
  return (n / 1e9).toFixed(1) + " GB/s";
}

// A rate in a table, where nothing is a dash.
const rateOrDash = (n) => (n ? rate(n) : "–");

// A length of pieces, binary: 256 KiB.
function binary(n) {
  if (n && n % 1048576 === 0) return n / 1048576 + " MiB";
  return n && n % 1024 === 0 ? n / 1024 + " KiB" : n + " B";
}

// A time in its two largest units.
function time(seconds) {
  const s = Math.ceil(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min";
  return Math.floor(s / 86400) + " d " + (Math.floor(s / 3600) % 24) + " h";
}

// A share in percent; 100 only when nothing is missing.
function percent(part, whole) {
  if (!whole) return "0 %";
  return (part >= whole ? "100" : Math.min(99.9, (part / whole) * 100).toFixed(1)) + " %";
}

// A number with its noun.
const plural = (n, one, many) => count(n) + " " + (n === 1 ? one : many);

// What strangers wrote, without what could turn the line around or hide in it.
const clean = (text) => String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "\ufffd");

// ---- The document ---------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const root = document.documentElement;

// A new element with a class, a text and children.
function make(tag, name, text, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text != null) made.textContent = clean(text);
  made.append(...children);
  return made;
}

// Writes a text only if it is another one: most cells stay the same from second to second.
function write(element, text) {
  const said = clean(text);
  if (element.said === said) return;
  element.said = said;
  element.textContent = said;
}

// Sets an attribute only if it is another one; null takes it away.
function mark(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Rows by key, in the order of the items: kept, filled again, and moved only if they must.
function keep(parent, items, keyOf, build, fill) {
  const known = parent.known || (parent.known = new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of known) {
    if (!wanted.has(key)) {
      row.remove();
      known.delete(key);
    }
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let row = known.get(key);
    if (!row) known.set(key, (row = build(item)));
    if (row === next) next = next.nextElementSibling;
    else parent.insertBefore(row, next);
    fill(row, item);
  }
}

// A row of a table whose cells know their column and, on a phone, their label.
function tableRow(columns) {
  const row = make("tr");
  row.setAttribute("role", "row");
  for (const [name, label, numeric] of columns) {
    const cell = make("td", numeric ? "n" : "");
    cell.setAttribute("role", "cell");
    cell.dataset.col = name;
    if (label) cell.dataset.label = label;
    row.append(cell);
    row[name] = cell;
  }
  return row;
}

// A bar that is full by so much; the number stands beside it.
function setBar(bar, share) {
  const width = (Math.max(0, Math.min(1, share || 0)) * 100).toFixed(1) + "%";
  if (bar.firstChild.style.width !== width) bar.firstChild.style.width = width;
}

// What came of an order, near to where it was given.
function tell(element, text, fine) {
  element.hidden = !text;
  element.classList.toggle("fine", Boolean(fine));
  write(element, text || "");
}

// Says an event to a screen reader.
const announce = (text) => write($("live"), text);

// The colour that a token has in the theme that holds.
const token = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

// How large a rem is beside the usual 16 pixels: pictures grow with the text.
const zoom = () => parseFloat(getComputedStyle(root).fontSize) / 16;

const stands = matchMedia("(prefers-reduced-motion: reduce)");

// ---- Where we are ---------------------------------------------------------------------------

const TABS = ["pieces", "peers", "choking", "graphs", "files", "trackers", "log"];
const LAYERS = ["state", "source", "availability"];
const place = { torrent: null, tab: "pieces", layer: "state" };

// Reads the torrent, the view and the layer out of the address: #t=3&tab=peers&layer=source.
function readPlace() {
  const said = new URLSearchParams(location.hash.slice(1));
  const id = Number(said.get("t"));
  place.torrent = Number.isInteger(id) && id > 0 ? id : null;
  place.tab = TABS.includes(said.get("tab")) ? said.get("tab") : "pieces";
  place.layer = LAYERS.includes(said.get("layer")) ? said.get("layer") : "state";
}

// Writes them there, so that a reload and a link keep them.
function writePlace() {
  const words = ["tab=" + place.tab, "layer=" + place.layer];
  if (place.torrent) words.unshift("t=" + place.torrent);
  history.replaceState(null, "", "#" + words.join("&"));
}

// Goes elsewhere: the stream is opened anew only if it must say something else.
function go(where) {
  const before = { ...place };
  Object.assign(place, where);
  writePlace();
  if (place.torrent !== before.torrent) forgetTorrent();
  if (place.torrent !== before.torrent || place.layer !== before.layer) connect();
  showAll();
}

// ---- The stream -----------------------------------------------------------------------------

const news = { state: null, files: null, history: null, program: "", at: 0 };
let stream = null;
let again = 0;

// Opens /events for what is shown.
function connect() {
  if (stream) stream.close();
  clearTimeout(again);
  const opened = (stream = new EventSource(eventsUrl(place.layer)));
  const on = (name, act) => opened.addEventListener(name, (event) => {
    if (opened !== stream) return;
    heard();
    act(JSON.parse(event.data));
  });
  on("hello", (hello) => {
    news.program = hello.program;
    sessionId = hello.session;
  });
  on("state", onState);
  on("history", onHistory);
  on("files", onFiles);
  on("map", onMap);
  opened.onerror = () => opened === stream && onBroken(opened);
}

// The address of the stream for a layer of the torrent that is shown.
function eventsUrl(layer) {
  const query = place.torrent ? "?torrent=" + place.torrent + "&layer=" + layer : "";
  return "/events" + query;
}

// Something came: the peer is there.
function heard() {
  news.at = performance.now();
  const was = $("connection").dataset.state;
  if (was === "live") return;
  showConnection("live", "live");
  if (was !== "connecting") announce("The peer is back.");
}

// The stream broke: the browser tries again by itself, unless it was refused in words.
function onBroken(broken) {
  if (broken.readyState === EventSource.CONNECTING) return lost("connection lost: is the peer still running? Trying again");
  askWhy();
}

// Learns why a stream is refused, which an EventSource does not tell, and tries again later.
async function askWhy() {
  const stop = new AbortController();
  try {
    const answer = await fetch(eventsUrl(place.layer), { signal: stop.signal });
    if (!answer.ok) showConnection("refused", (await answer.text()).trim() || "the peer answers " + answer.status);
  } catch {
    lost("connection lost: is the peer still running? Trying again");
  }
  stop.abort();
  again = setTimeout(connect, 3000);
}

// Says once that the peer is gone.
function lost(text) {
  if ($("connection").dataset.state !== "lost") announce("Connection lost.");
  showConnection("lost", text);
}

function showConnection(state, text) {
  $("connection").dataset.state = state;
  write($("connection-says"), text);
}

// A stream that is open and silent is as good as lost: there is a state every second.
function watchSilence() {
  const silent = (performance.now() - news.at) / 1000;
  if ($("connection").dataset.state === "live" && silent > 5) lost("no news from the peer for " + Math.round(silent) + " s");
}

// Everything, once a second: keeps it, says what became of torrents, and shows what is open.
function onState(state) {
  sayEvents(news.state, state);
  news.state = state;
  growHistory(state);
  const known = state.torrents.some((torrent) => torrent.id === place.torrent);
  if (!known) return go({ torrent: state.torrents.length ? state.torrents[0].id : null });
  showAll();
}

// What a screen reader is told: only what happened, not how things stand.
function sayEvents(before, after) {
  if (!before) return;
  for (const torrent of after.torrents) {
    const old = before.torrents.find((one) => one.id === torrent.id);
    if (!old) announce(torrent.name + " was added.");
    else if (old.state !== torrent.state && torrent.state === "seeding") announce(torrent.name + " is whole.");
    else if (torrent.trouble && old.trouble !== torrent.trouble) announce(torrent.name + ": " + torrent.trouble);
  }
}

// The torrent that is shown, as the last state has it.
const shown = () => news.state && news.state.torrents.find((torrent) => torrent.id === place.torrent);

// Its details, if they have come and are of this one.
function detail() {
  const details = news.state && news.state.detail;
  return details && details.id === place.torrent ? details : null;
}

// Another torrent is shown: nothing of the one before may stay.
function forgetTorrent() {
  news.files = null;
  if (news.history) news.history.torrent = null;
  map.layers = {};
  map.cursor = null;
  board.slots.clear();
  board.until = null;
  $("cursor").hidden = true;
  tell($("detail-said"), "");
  tell($("files-said"), "");
  $("files-filter").value = "";
}

// Shows the frame, and the view that is open; the others cost nothing.
function showAll() {
  if (!news.state) return;
  showTop();
  showTorrents();
  showDetail();
  showTabs();
  const torrent = shown();
  if (torrent) VIEWS[place.tab](torrent, detail());
  tendLog();
}

const VIEWS = { pieces: showPieces, peers: showPeers, choking: showChoking, graphs: showGraphs, files: showNewFiles, trackers: showTrackers, log: showLogPeers };

// ---- Orders ---------------------------------------------------------------------------------

let sessionId = "";

// Asks the peer to do something; throws a sentence if it does not.
async function order(method, args) {
  for (let attempt = 0; attempt < 2; attempt++) {
    const answer = await post(JSON.stringify({ method, arguments: args }));
    if (answer.status === 409) {
      sessionId = answer.headers.get("X-Transmission-Session-Id") || "";
      continue;
    }
    if (!answer.ok) throw new Error((await answer.text()).trim() || "the peer answers " + answer.status);
    const said = await answer.json();
    if (said.result !== "success") throw new Error(said.result);
    return said.arguments || {};
  }
  throw new Error("the peer does not accept its own session id: reload the page");
}

// One try, under the session id that was last learnt.
async function post(body) {
  const headers = { "Content-Type": "application/json", "X-Transmission-Session-Id": sessionId };
  try {
    return await fetch("/transmission/rpc", { method: "POST", headers, body });
  } catch {
    throw new Error("the peer does not answer: is it still running?");
  }
}

// The same, with the outcome told in words at `said`; whether it went well.
async function attempt(said, method, args) {
  try {
    await order(method, args);
    tell(said, "");
    return true;
  } catch (trouble) {
    tell(said, trouble.message);
    return false;
  }
}

// An order about the torrent that is shown.
const orderShown = (method) => place.torrent && attempt($("detail-said"), method, { ids: [place.torrent] });

// ---- Totals and torrents --------------------------------------------------------------------

// The line at the top: rates against limits, sums, room.
function showTop() {
  const { totals, session } = news.state;
  const limit = (n) => (n == null ? "no limit" : "of " + rate(n));
  write($("total-down"), rate(totals.down));
  write($("total-up"), rate(totals.up));
  write($("limit-of-down"), limit(session.downLimit));
  write($("limit-of-up"), limit(session.upLimit));
  write($("total-moved"), "↓ " + bytes(totals.downloaded) + "  ↑ " + bytes(totals.uploaded));
  write($("free-space"), bytes(session.freeSpace));
  write($("port"), session.port);
  mark($("slow"), "aria-pressed", session.slow);
  const torrent = shown();
  const start = torrent ? percent(torrent.wanted - torrent.left, torrent.wanted) + " ↓ " + rate(totals.down) + " – " : "";
  const title = start + "swarmlet";
  if (document.title !== title) document.title = title;
}

const TORRENT_COLUMNS = [["name"], ["state"], ["done"], ["down", "down", true], ["up", "up", true], ["ratio", "ratio", true], ["eta", "left", true], ["peers", "peers", true]];

function showTorrents() {
  const torrents = news.state.torrents;
  $("torrents").hidden = !torrents.length;
  $("empty").hidden = torrents.length > 0;
  write($("torrents-count"), torrents.length ? count(torrents.length) : "");
  keep($("torrents").tBodies[0], torrents, (torrent) => torrent.id, buildTorrent, fillTorrent);
}

function buildTorrent(torrent) {
  const row = tableRow(TORRENT_COLUMNS);
  row.dataset.id = torrent.id;
  row.button = make("button", "plain");
  row.button.type = "button";
  row.trouble = make("small", "trouble");
  row.name.append(row.button, make("br"), row.trouble);
  row.bar = make("span", "bar", null, make("i"));
  row.share = make("span");
  row.done.append(row.bar, row.share);
  row.addEventListener("click", () => go({ torrent: torrent.id }));
  return row;
}

function fillTorrent(row, torrent) {
  const checking = torrent.state === "checking";
  mark(row, "aria-current", torrent.id === place.torrent ? "true" : null);
  mark(row, "data-state", torrent.state);
  write(row.button, torrent.name);
  write(row.trouble, torrent.trouble || "");
  row.trouble.hidden = row.trouble.previousSibling.hidden = !torrent.trouble;
  write(row.state, stateOf(torrent));
  setBar(row.bar, checking ? torrent.checked : (torrent.wanted - torrent.left) / torrent.wanted);
  row.bar.className = "bar " + torrent.state;
  write(row.share, torrent.state === "looking" ? "–" : percent(torrent.wanted - torrent.left, torrent.wanted));
  write(row.down, rateOrDash(torrent.down));
  write(row.up, rateOrDash(torrent.up));
  write(row.ratio, ratio(torrent));
  write(row.eta, torrent.eta == null ? "–" : time(torrent.eta));
  write(row.peers, count(torrent.peers));
  mark(row.peers, "title", plural(torrent.giving, "gives", "give") + ", " + plural(torrent.taking, "takes", "take"));
}

// The state in words, with how far a check is and whether it stands still.
function stateOf(torrent) {
  const words = STATES[torrent.state] || torrent.state;
  if (torrent.state === "checking" && torrent.checked != null) return words + " " + Math.floor(torrent.checked * 100) + " %";
  return torrent.stalled ? words + ", nothing moves" : words;
}

// Bytes sent for each byte that came; of what was here before, for each byte that is here.
function ratio(torrent) {
  const came = torrent.downloaded || torrent.have;
  return came ? (torrent.uploaded / came).toFixed(2) : "–";
}

// The head of the torrent that is shown.
function showDetail() {
  const torrent = shown();
  $("detail").hidden = !torrent;
  if (!torrent) return;
  write($("detail-name"), torrent.name);
  write($("detail-state"), sentenceOf(torrent));
  write($("detail-trouble"), torrent.trouble || "");
  $("detail-trouble").hidden = !torrent.trouble;
  $("pause").disabled = torrent.state === "stopped";
  $("resume").disabled = torrent.state !== "stopped";
}

function sentenceOf(torrent) {
  const parts = [stateOf(torrent)];
  if (torrent.wanted) parts.push(percent(torrent.wanted - torrent.left, torrent.wanted) + " of " + bytes(torrent.wanted));
  if (torrent.eta != null) parts.push(time(torrent.eta) + " left");
  if (torrent.pieces) parts.push(plural(torrent.pieces, "piece", "pieces") + " of " + binary(torrent.pieceLength));
  if (torrent.left && torrent.state === "downloading" && torrent.available < torrent.left) parts.push(bytes(torrent.left - torrent.available) + " that nobody connected has");
  if (torrent.downLimit != null) parts.push("at most " + rate(torrent.downLimit) + " down");
  if (torrent.upLimit != null) parts.push("at most " + rate(torrent.upLimit) + " up");
  if (torrent.sequential) parts.push("in order");
  if (torrent.private) parts.push("private");
  return parts.join(" · ");
}

// Which view is open, for eyes and for assistive technology.
function showTabs() {
  for (const name of TABS) {
    const open = name === place.tab;
    mark($("tab-" + name), "aria-selected", open);
    mark($("tab-" + name), "tabindex", open ? 0 : -1);
    $("panel-" + name).hidden = !open;
  }
  const torrent = shown();
  if (!torrent) return;
  write($("tab-peers"), "Peers " + count(torrent.peers));
  write($("tab-files"), "Files " + count(torrent.files));
}

// ---- Pieces ---------------------------------------------------------------------------------
//
// One pixel buffer holds the picture; a change paints its cell there, and the rectangle around all
// changes of a frame is given to the canvas at once. 100 000 cells are never painted for one.

const PIECE_STATES = ["missing", "asked for", "here, not verified yet", "verified", "came and was wrong", "not wanted"];
const STATE_TOKENS = ["missing", "asked", "here", "verified", "wrong", "ground"];
const NOT_WANTED = 5;
// Twelve colours that differ in hue and in lightness; then they repeat.
const SOURCES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a63d2", "#a6b727", "#7a4a1e", "#ff9da7", "#1b3a6b", "#3dd6c4"];
// The fewest copies of each step of the ramp; 0 copies has a colour of its own.
const STEPS = [1, 2, 3, 4, 6, 10, 20, 50];

const map = { layers: {}, cursor: null, n: 0, columns: 0, cell: 0, gap: 0, scale: 1, image: null, pixels: null, lut: null, stripe: 0, dirty: null, frame: 0, fitted: "", painted: 0, glancing: false };

// The map of a layer, whole or what changed of it.
function onMap(said) {
  if (said.id !== place.torrent) return;
  if (said.runs) {
    map.layers[said.layer] = wholeLayer(said);
    if (said.layer === place.layer) map.fitted = "";
  } else {
    changeLayer(map.layers[said.layer], said);
  }
  if (place.tab === "pieces" && shown()) showPieces(shown());
}

// Every piece's value, and how often each value is.
function wholeLayer({ pieces, sources, runs }) {
  const values = new Uint16Array(pieces);
  const counts = [];
  for (let at = 0, i = 0; i + 1 < runs.length; i += 2) {
    values.fill(runs[i + 1], at, at + runs[i]);
    at += runs[i];
    counts[runs[i + 1]] = (counts[runs[i + 1]] || 0) + runs[i];
  }
  return { values, counts, sources: sources || [], at: performance.now() };
}

// Runs of changed pieces: counted, and painted when the next frame comes.
function changeLayer(layer, { layer: name, sources, changes }) {
  if (!layer) return;
  const isShown = name === place.layer;
  if (sources && sources.length !== layer.sources.length) map.lut = null;
  if (sources) layer.sources = sources;
  layer.at = performance.now();
  for (const [first, ...runs] of changes) {
    let piece = first;
    for (let i = 0; i + 1 < runs.length; i += 2) {
      const [end, value] = [Math.min(piece + runs[i], layer.values.length), runs[i + 1]];
      for (; piece < end; piece++) {
        layer.counts[layer.values[piece]]--;
        layer.counts[value] = (layer.counts[value] || 0) + 1;
        layer.values[piece] = value;
        if (isShown && map.dirty) map.dirty.push(piece);
      }
    }
  }
}

function schedulePaint() {
  if (!map.frame) map.frame = requestAnimationFrame(paintMap);
}

// Brings the canvas up to date: all of it if its shape or its colours changed, else the changes.
function paintMap() {
  map.frame = 0;
  const layer = map.layers[place.layer];
  if (place.tab !== "pieces" || !layer) return;
  const shape = [layer.values.length, $("pieces-box").clientWidth, innerHeight, devicePixelRatio, place.layer, place.torrent].join();
  if (!map.lut || map.fitted !== shape) {
    fitMap(layer.values.length);
    map.lut = coloursOf(place.layer, layer.sources);
    map.fitted = shape;
    paintCells(layer.values, null);
  } else if (map.dirty.length) {
    paintCells(layer.values, map.dirty);
  }
  map.dirty = [];
}

// The largest square cells with which all pieces fit into the width, and into the height that the window has left.
function fitMap(n) {
  const canvas = $("pieces");
  const scale = devicePixelRatio || 1;
  const width = Math.max(1, Math.floor($("pieces-box").clientWidth * scale));
  const below = innerHeight - $("pieces-box").getBoundingClientRect().top - scrollY - 95;
  const height = Math.max(260, innerHeight * (innerWidth < 760 ? 0.5 : 0.34), below) * scale;
  const least = Math.max(n > 1e6 ? 1 : 2, Math.round((n > 2e5 ? 1 : 1.6) * scale));
  let cell = Math.min(Math.round(34 * scale * zoom()), Math.floor(Math.sqrt((width * height) / Math.max(1, n))) + 1);
  while (cell > least && Math.ceil(n / Math.floor(width / cell)) * cell > height) cell--;
  cell = Math.min(width, Math.max(least, cell));
  map.n = n;
  map.cell = cell;
  map.gap = cell >= 14 * scale ? Math.round(2 * scale) : cell >= 5 ? Math.max(1, Math.round(scale * 0.6)) : 0;
  map.scale = scale;
  map.columns = Math.max(1, Math.floor(width / cell));
  canvas.width = Math.min(n || 1, map.columns) * cell;
  canvas.height = Math.max(1, Math.ceil(n / map.columns)) * cell;
  canvas.style.width = canvas.width / scale + "px";
  canvas.style.height = canvas.height / scale + "px";
  map.image = canvas.getContext("2d").createImageData(canvas.width, canvas.height);
  map.pixels = new Uint32Array(map.image.data.buffer);
  placeCursor();
}

// A colour as a pixel: 0xAABBGGRR, as little-endian memory has R, G, B, A.
function pixel(hex) {
  const n = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}

// The pixel of every value of a layer.
function coloursOf(layer, sources) {
  map.stripe = pixel(token("faint"));
  if (layer === "state") return Uint32Array.from(STATE_TOKENS, (name) => pixel(token(name)));
  if (layer === "availability") return Uint32Array.from({ length: 256 }, (_, copies) => pixel(copyColour(copies)));
  return Uint32Array.from({ length: sources.length + 2 }, (_, value) => pixel(sourceColour(value)));
}

const stepOf = (copies) => STEPS.findLastIndex((least) => copies >= least);
const copyColour = (copies) => (copies ? token("copies-" + (stepOf(copies) + 1)) : token("bad"));
function sourceColour(value) {
  if (value < 2) return value ? token("faint") : token("missing");
  return SOURCES[(value - 2) % SOURCES.length];
}

// Paints these cells, or all, and gives the rectangle around them to the canvas.
function paintCells(values, some) {
  const { columns, cell, gap, pixels, lut } = map;
  const stride = map.image.width;
  const inner = cell - gap;
  const period = Math.max(3, Math.round(4 * map.scale));
  const hatched = place.layer === "state" ? NOT_WANTED : -1;
  let [left, top, right, bottom] = [Infinity, Infinity, 0, 0];
  const all = values.length;
  for (let i = 0, end = some ? some.length : all; i < end; i++) {
    const piece = some ? some[i] : i;
    const x = (piece % columns) * cell;
    const y = Math.floor(piece / columns) * cell;
    const value = values[piece];
    const colour = lut[value];
    for (let at = y * stride + x, row = 0; row < inner; row++, at += stride) {
      for (let column = 0; column < inner; column++) pixels[at + column] = colour;
    }
    if (value === hatched) hatch(x, y, inner, period, stride);
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + cell);
    bottom = Math.max(bottom, y + cell);
  }
  if (!(right > left)) return;
  $("pieces").getContext("2d").putImageData(map.image, 0, 0, left, top, right - left, bottom - top);
  map.painted++;
  Object.assign($("pieces").dataset, { layer: place.layer, pieces: all, painted: map.painted });
}

// Fine diagonals that run on from cell to cell.
function hatch(x, y, inner, period, stride) {
  for (let row = y; row < y + inner; row++) {
    for (let column = x + ((period - ((x + row) % period)) % period); column < x + inner; column += period) map.pixels[row * stride + column] = map.stripe;
  }
}

// The legend, the summary and the piece under the cursor.
function showPieces(torrent) {
  if ($("layer").value !== place.layer) $("layer").value = place.layer;
  $("pieces-box").hidden = !torrent.pieces;
  if (!torrent.pieces) return write($("piece-says"), "Its pieces are known as soon as a peer has told its description.");
  const layer = map.layers[place.layer];
  if (!layer) return;
  const rows = legendOf(layer);
  keep($("legend"), rows, (row) => place.layer + row.value, buildKey, (item, row) => fillKey(item, row, torrent.pieces));
  const counted = rows.filter((row) => row.count).map((row) => count(row.count) + " " + row.says);
  write($("pieces-summary"), plural(torrent.pieces, "piece", "pieces") + ": " + counted.slice(0, 20).join(", "));
  schedulePaint();
  sayPiece();
}

// The rows of the legend: what a colour means and how many pieces have it.
function legendOf({ counts, sources }) {
  if (place.layer === "state") return PIECE_STATES.map((says, value) => ({ value, says, count: counts[value] || 0, colour: token(STATE_TOKENS[value]) }));
  if (place.layer === "source") {
    const names = ["missing", "here before, or unknown", ...sources];
    return names.map((says, value) => ({ value, says, count: counts[value] || 0, colour: sourceColour(value) })).filter((row) => row.value < 2 || row.count);
  }
  const sum = (least, most) => counts.slice(least, most + 1).reduce((all, n) => all + (n || 0), 0);
  const rows = STEPS.map((least, i) => {
    const most = (STEPS[i + 1] || 256) - 1;
    return { value: least, says: copiesInWords(least, most), count: sum(least, most), colour: copyColour(least) };
  });
  return [{ value: 0, says: "no copy", count: counts[0] || 0, colour: copyColour(0) }, ...rows];
}

function copiesInWords(least, most) {
  if (most === 255) return least + " copies or more";
  return least === most ? plural(least, "copy", "copies") : least + " to " + most + " copies";
}

function buildKey({ value }) {
  const item = make("li");
  item.dataset.value = value;
  item.swatch = make("span", place.layer === "state" && value === NOT_WANTED ? "swatch unwanted" : "swatch");
  item.what = make("span", "what");
  item.count = make("span", "count");
  item.percent = make("span", "part");
  item.append(item.swatch, item.what, item.count, item.percent);
  return item;
}

function fillKey(item, row, pieces) {
  if (!item.swatch.classList.contains("unwanted") && item.colour !== row.colour) item.swatch.style.backgroundColor = item.colour = row.colour;
  write(item.what, row.says);
  write(item.count, count(row.count));
  write(item.percent, row.count && row.count < pieces / 1000 ? "< 0.1 %" : percent(row.count, pieces));
}

// Puts the frame around the piece that is pointed at.
function placeCursor() {
  const frame = $("cursor");
  frame.hidden = map.cursor == null || map.cursor >= map.n;
  if (frame.hidden) return;
  const x = (map.cursor % map.columns) * map.cell / map.scale;
  const y = Math.floor(map.cursor / map.columns) * map.cell / map.scale;
  const size = (map.cell - map.gap) / map.scale;
  frame.style.width = frame.style.height = size + 6 + "px";
  frame.style.transform = "translate(" + (x - 3) + "px," + (y - 3) + "px)";
}

// Goes to a piece: named at once, and what the other layers know of it a moment later.
function pointAt(piece, byKey) {
  if (piece === map.cursor || !map.n) return;
  map.cursor = piece == null ? null : Math.max(0, Math.min(map.n - 1, piece));
  placeCursor();
  sayPiece();
  if (byKey && map.cursor != null) {
    $("cursor").scrollIntoView({ block: "nearest" });
    announce($("piece-says").textContent);
  }
  clearTimeout(map.resting);
  if (map.cursor != null) map.resting = setTimeout(glance, 300);
}

// Everything that is known of the piece: number, bytes, state, source, copies.
function sayPiece() {
  const torrent = shown();
  if (map.cursor == null || !torrent || map.cursor >= torrent.pieces) return write($("piece-says"), "Point at a piece, or go there with the arrow keys, and it is named here.");
  const first = map.cursor * torrent.pieceLength;
  const last = Math.min(first + torrent.pieceLength, torrent.total || Infinity) - 1;
  const of = (name) => map.layers[name] && map.layers[name].values[map.cursor];
  const parts = ["Piece " + count(map.cursor) + ", bytes " + count(first) + " to " + count(last)];
  if (of("state") != null) parts.push(PIECE_STATES[of("state")]);
  if (of("source") === 1) parts.push("here before, or from an unknown peer");
  if (of("source") > 1) parts.push("from " + map.layers.source.sources[of("source") - 2]);
  if (of("availability") != null) parts.push(of("availability") ? plural(of("availability"), "copy", "copies") + " among peers" : "no connected peer has it");
  write($("piece-says"), parts.join(" · "));
}

// A stream tells one layer; the others are looked at once, when the cursor rests, and no oftener than every 5 s.
async function glance() {
  if (map.glancing || place.tab !== "pieces") return;
  map.glancing = true;
  for (const layer of LAYERS) {
    const known = map.layers[layer];
    if (layer !== place.layer && (!known || performance.now() - known.at > 5000)) await glanceAt(layer);
  }
  map.glancing = false;
  sayPiece();
}

// Opens a stream until its first map has come.
function glanceAt(layer) {
  return new Promise((done) => {
    const once = new EventSource(eventsUrl(layer));
    const end = () => {
      once.close();
      done();
    };
    once.addEventListener("map", (event) => {
      const said = JSON.parse(event.data);
      if (said.id === place.torrent && said.layer === layer && said.runs && layer !== place.layer) map.layers[layer] = wholeLayer(said);
      end();
    });
    once.onerror = end;
    setTimeout(end, 3000);
  });
}

// The piece under the pointer.
function pieceAt(event) {
  const column = Math.floor((event.offsetX * map.scale) / map.cell);
  const piece = Math.floor((event.offsetY * map.scale) / map.cell) * map.columns + column;
  return column < map.columns && piece < map.n ? piece : map.cursor;
}

// Arrow keys go from piece to piece, pages by ten rows.
function onMapKey(event) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -map.columns, ArrowDown: map.columns, PageUp: -10 * map.columns, PageDown: 10 * map.columns, Home: -Infinity, End: Infinity };
  const step = steps[event.key];
  if (step === undefined || !map.n) return;
  event.preventDefault();
  event.stopPropagation();
  pointAt(map.cursor == null ? 0 : map.cursor + step, true);
}

// ---- Peers ----------------------------------------------------------------------------------

const PEER_COLUMNS = [["peer"], ["has", "has"], ["gives", "gives", true], ["takes", "takes", true], ["theirs"], ["ours"], ["asked", "asked", true], ["rtt", "round trip", true], ["words"]];
const FROM = { tracker: "a tracker named it", gossip: "another peer named it", given: "it was given to us" };

function showPeers(torrent, details) {
  if (!details) return;
  const peers = details.peers;
  const native = peers.filter((peer) => peer.native).length;
  const serve = peers.filter((peer) => !peer.peerChoking).length;
  const served = peers.filter((peer) => !peer.amChoking).length;
  write($("peers-summary"), peers.length
    ? plural(peers.length, "peer", "peers") + ": " + count(native) + " native, " + count(peers.length - native) + " BitTorrent; " + count(serve) + " would serve us, we serve " + count(served)
    : "Nobody is connected. Peers come from trackers, from other peers, or call by themselves.");
  $("peers").hidden = !peers.length;
  keep($("peers").tBodies[0], peers, (peer) => peer.address, buildPeer, fillPeer);
  $("bans-box").hidden = !details.bans.length;
  keep($("bans"), details.bans, (ban) => ban.address, () => make("li"), (item, ban) => write(item, ban.address + " – " + ban.why));
}

function buildPeer(peer) {
  const row = tableRow(PEER_COLUMNS);
  row.dataset.address = peer.address;
  row.link = make("button", "plain address", peer.address);
  row.link.type = "button";
  row.link.title = "Show what is said to it and by it";
  row.link.addEventListener("click", () => logOf(peer.address));
  row.client = make("small");
  row.dialect = make("span", peer.native ? "badge native" : "badge", peer.native ? "native" : "BitTorrent");
  row.peer.append(row.link, row.client, row.dialect);
  row.share = make("span");
  row.strip = make("canvas");
  row.strip.width = 128;
  row.strip.height = 12;
  row.strip.setAttribute("aria-hidden", "true");
  row.has.append(row.share, row.strip);
  for (const name of ["gives", "takes", "asked"]) row[name].append((row[name + "Now"] = make("span")), " ", (row[name + "All"] = make("small")));
  for (const name of ["theirs", "ours"]) row[name].append((row[name + "Is"] = make("span", "badge")), " ", (row[name + "Why"] = make("small")));
  return row;
}

function fillPeer(row, peer) {
  row.classList.toggle("snubbed", peer.snubbed);
  write(row.client, peer.client || "unknown program");
  write(row.share, percent(peer.progress, 1));
  drawStrip(row.strip, peer.bar);
  write(row.givesNow, rateOrDash(peer.gives));
  write(row.givesAll, bytes(peer.given));
  write(row.takesNow, rateOrDash(peer.takes));
  write(row.takesAll, bytes(peer.taken));
  const theirs = standingOfIt(peer);
  const ours = standingOfUs(peer);
  row.theirsIs.className = "badge " + theirs[1];
  write(row.theirsIs, theirs[0]);
  write(row.theirsWhy, theirs[2]);
  row.oursIs.className = "badge " + ours[1];
  write(row.oursIs, ours[0]);
  write(row.oursWhy, ours[2]);
  write(row.askedNow, peer.requests ? count(peer.requests) : "–");
  write(row.askedAll, peer.inFlight ? bytes(peer.inFlight) + " of " + bytes(peer.window) : "");
  write(row.rtt, peer.rtt == null ? "–" : peer.rtt < 0.01 ? (peer.rtt * 1000).toFixed(1) + " ms" : Math.round(peer.rtt * 1000) + " ms");
  const words = [...peer.flags, FROM[peer.from], "for " + time(peer.connected)];
  write(row.words, [...new Set(words.filter(Boolean))].join(", "));
}

// How it stands to us: word, look, remark.
function standingOfIt(peer) {
  if (peer.snubbed) return ["snubbed", "bad", "it let deadlines pass"];
  if (!peer.peerChoking) return ["serves us", "good", peer.amInterested ? "" : "we want nothing"];
  return peer.amInterested ? ["chokes us", "dashed", ""] : ["chokes us", "dashed", "we want nothing"];
}

// How we stand to it: word, look, reason.
function standingOfUs(peer) {
  if (!peer.amChoking) return peer.optimistic ? ["on trial", "trial", peer.why] : ["served", "good", peer.why];
  return peer.peerInterested ? ["choked", "dashed", peer.why || "it waits"] : ["choked", "dashed", "it wants nothing"];
}

// The piece bar: one hex digit for each of up to 64 equal parts, the darker the more of it.
function drawStrip(canvas, bar) {
  const theme = token("missing");
  if (canvas.drawn === bar + theme) return;
  canvas.drawn = bar + theme;
  const pen = canvas.getContext("2d");
  pen.globalAlpha = 1;
  pen.fillStyle = theme;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = token("verified");
  const width = canvas.width / (bar.length || 1);
  for (let i = 0; i < bar.length; i++) {
    pen.globalAlpha = parseInt(bar[i], 16) / 15 || 0;
    pen.fillRect(i * width, 0, width, canvas.height);
  }
}

// ---- Choking --------------------------------------------------------------------------------
//
// We are in the middle, our slots to the right with whom they serve, to the left those who wait.
// A peer keeps its slot as long as it is served, so that a move is seen as a move.

const STRATEGIES = { "tft": "tit for tat", "legout": "tit for tat, and turns of a minute when seeding", "random": "by lot", "round-robin": "round robin", "all": "everybody is served", "freeride": "free riding: nobody is served", "bittyrant": "BitTyrant", "propshare": "proportional share", "student": "the best givers, nobody on trial" };
const MOST_WAITING = 9;
const MOST_SLOTS = 14;
const board = { slots: new Map(), until: null, every: 10, decided: "" };

function showChoking(torrent, details) {
  if (!details) return;
  const choking = details.choking;
  board.until = choking.next == null ? null : performance.now() / 1000 + choking.next;
  board.every = choking.every || 10;
  board.rule = (STRATEGIES[choking.strategy] || choking.strategy) + (choking.seeding ? ", seeding" : "") + ", " + plural(choking.slots, "slot", "slots");
  drawBoard(torrent, details);
  tickClock();
  showDecisions(choking.decisions);
}

// An element of the picture.
function draw(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) mark(made, name, value);
  if (text != null) made.textContent = clean(text);
  return made;
}

// Who is served, on trial, waits, or wants nothing of us.
function standing(peer) {
  if (!peer.amChoking) return peer.optimistic ? "trial" : peer.peerInterested ? "served" : "idle";
  return peer.peerInterested ? "waits" : "idle";
}

// Where everything is: sizes grow with the text, and a phone has narrow cards.
function boardPlan(width, slots, waiting) {
  const k = zoom();
  const wide = width >= 620 * k;
  const card = { width: Math.min(290 * k, (width - (wide ? 220 : 92) * k) / 2), high: (wide ? 60 : 44) * k, low: 44 * k };
  const [head, space] = [26 * k, 9 * k];
  const height = head + Math.max(slots * (card.high + space), waiting * (card.low + space), 190 * k);
  const us = { x: width / 2, y: head + (height - head - space) / 2, r: (wide ? 58 : 17) * k };
  const y = (row, of, tall) => head + (height - head - of * (tall + space)) / 2 + row * (tall + space);
  return { k, wide, card, head, height, us, y, right: width - card.width - 2, left: 2 };
}

// Gives each served peer a slot that it keeps.
function assignSlots(served) {
  const here = new Set(served.map((peer) => peer.address));
  for (const address of board.slots.keys()) if (!here.has(address)) board.slots.delete(address);
  const taken = new Set(board.slots.values());
  for (const { address } of served) {
    if (board.slots.has(address)) continue;
    let slot = 0;
    while (taken.has(slot)) slot++;
    taken.add(slot);
    board.slots.set(address, slot);
  }
}

function drawBoard(torrent, { peers, choking }) {
  const svg = $("board");
  const of = (...kinds) => peers.filter((peer) => kinds.includes(standing(peer)));
  assignSlots(of("served", "trial"));
  const slots = Math.min(MOST_SLOTS, Math.max(choking.slots, ...[...board.slots.values()].map((slot) => slot + 1)));
  const served = of("served", "trial").filter((peer) => board.slots.get(peer.address) < slots);
  const waiting = [...of("waits"), ...of("idle").filter((peer) => peer.gives)];
  const listed = waiting.slice(0, MOST_WAITING);
  const plan = boardPlan(svg.clientWidth || svg.parentNode.clientWidth || 600, slots, listed.length);
  const placed = [
    ...served.map((peer) => ({ peer, x: plan.right, y: plan.y(board.slots.get(peer.address), slots, plan.card.high), height: plan.card.high })),
    ...listed.map((peer, row) => ({ peer, x: plan.left, y: plan.y(row, listed.length, plan.card.low), height: plan.card.low })),
  ];
  mark(svg, "viewBox", "0 0 " + Math.round(svg.clientWidth || 600) + " " + Math.round(plan.height));
  svg.style.height = Math.round(plan.height) + "px";
  if (!svg.wires) buildBoard(svg);
  svg.wires.replaceChildren(...wires(placed, plan));
  svg.slots.replaceChildren(...slotFrames(plan, slots, new Set(board.slots.values())));
  fillUs(svg, plan, torrent);
  keep(svg.cards, placed, ({ peer }) => peer.address, buildCard, (card, at) => fillCard(card, at, plan));
  const idle = of("idle").filter((peer) => !peer.gives).length;
  write(svg.served, board.slots.size > served.length ? "Served: " + served.length + " of " + board.slots.size : plan.wide ? "Our slots" : "Slots");
  write(svg.waiting, waiting.length > listed.length ? "Waiting: " + listed.length + " of " + waiting.length : plan.wide ? "Without a slot" : "Waiting");
  put(svg.served, plan.right, plan.head - 10 * plan.k);
  put(svg.waiting, plan.left, plan.head - 10 * plan.k);
  board.idle = idle;
  write($("board-says"), boardInWords(served, of("waits"), idle));
}

function buildBoard(svg) {
  svg.slots = draw("g");
  svg.wires = draw("g");
  svg.us = draw("g");
  svg.cards = draw("g");
  svg.served = draw("text", { class: "head" });
  svg.waiting = draw("text", { class: "head" });
  svg.circle = draw("circle", { class: "us" });
  svg.ground = draw("circle", { class: "clock-ground" });
  svg.clock = draw("circle", { class: "clock" });
  svg.name = draw("text", { class: "head", "text-anchor": "middle" }, "we");
  svg.out = draw("text", { class: "small", "text-anchor": "middle" });
  svg.in = draw("text", { class: "small", "text-anchor": "middle" });
  svg.us.append(svg.circle, svg.ground, svg.clock, svg.name, svg.out, svg.in);
  svg.append(svg.slots, svg.wires, svg.us, svg.cards, svg.served, svg.waiting);
}

function put(element, x, y) {
  mark(element, "x", Math.round(x));
  mark(element, "y", Math.round(y));
}

// The circle in the middle, with our rates and the clock around it.
function fillUs(svg, { us, k, wide }, torrent) {
  for (const circle of [svg.circle, svg.ground, svg.clock]) {
    mark(circle, "cx", us.x);
    mark(circle, "cy", us.y);
    mark(circle, "r", circle === svg.circle ? us.r : us.r + 6 * k);
  }
  mark(svg.clock, "transform", "rotate(-90 " + us.x + " " + us.y + ")");
  svg.clock.around = 2 * Math.PI * (us.r + 6 * k);
  put(svg.name, us.x, us.y + (wide ? -16 : 5) * k);
  put(svg.in, us.x, us.y + 5 * k);
  put(svg.out, us.x, us.y + 24 * k);
  write(svg.in, wide ? "↓ " + rate(torrent.down) : "");
  write(svg.out, wide ? "↑ " + rate(torrent.up) : "");
}

// Dashed frames for the slots that are free.
function slotFrames({ card, right, y, k }, slots, taken) {
  const frames = [];
  for (let slot = 0; slot < slots; slot++) {
    if (taken.has(slot)) continue;
    const top = y(slot, slots, card.high);
    frames.push(draw("rect", { class: "slot", x: right, y: top, width: card.width, height: card.high, rx: 8 * k }));
    frames.push(draw("text", { class: "small", x: right + 10 * k, y: top + card.high / 2 + 4 * k }, "slot " + (slot + 1) + ": free"));
  }
  return frames;
}

// Lines between us and the cards: to it as it stands, and from it if it gives. They leave the circle side by side.
function wires(placed, { us, card, k, height }) {
  const most = Math.max(1, ...placed.map(({ peer }) => Math.max(peer.gives, peer.takes)));
  const width = (n) => (1.5 + 8 * Math.sqrt(n / most)) * k;
  const made = [];
  for (const { peer, x, y, height: tall } of placed) {
    const end = x > us.x ? x : x + card.width;
    const line = (kind, offset, thick) => {
      const to = y + tall / 2 + offset;
      const lean = ((to - us.y) / height) * 1.5 * us.r;
      const from = us.x + Math.sign(end - us.x) * Math.sqrt((us.r + 10 * k) ** 2 - lean ** 2);
      const bend = (from + end) / 2;
      const wire = draw("path", { class: "wire " + kind, d: "M" + [from, us.y + lean, "C" + bend, us.y + lean, bend, to, end, to].join(" ") });
      if (thick) wire.style.strokeWidth = thick.toFixed(1);
      made.push(wire);
    };
    const kind = standing(peer);
    if (kind !== "idle") line(kind, peer.gives ? -5 * k : 0, kind === "waits" ? 0 : width(peer.takes));
    if (peer.gives) line("gives", kind === "idle" ? 0 : 5 * k, width(peer.gives));
  }
  return made;
}

function buildCard({ peer }) {
  const card = draw("g", { "data-address": peer.address });
  card.frame = draw("rect");
  card.address = draw("text", { class: "mono" });
  card.rates = draw("text", { class: "small" });
  card.why = draw("text", { class: "small" });
  card.title = draw("title");
  card.append(card.title, card.frame, card.address, card.rates, card.why);
  return card;
}

function fillCard(group, { peer, x, y, height }, { card, k, wide }) {
  const [word, , why] = standingOfUs(peer);
  const isServed = !peer.amChoking;
  mark(group, "data-standing", standing(peer));
  group.style.transform = "translate(" + Math.round(x) + "px," + Math.round(y) + "px)";
  mark(group.frame, "width", card.width);
  mark(group.frame, "height", height);
  mark(group.frame, "rx", 8 * k);
  [group.address, group.rates, group.why].forEach((line, i) => put(line, 9 * k, (18 + 16.5 * i) * k));
  write(group.title, peer.address + ", " + (peer.client || "unknown program") + ": " + word + (why ? ", " + why : ""));
  const room = Math.floor((card.width - 14 * k) / (7.8 * k)); // the end of an address, its port, says most
  write(group.address, peer.address.length > room ? "…" + peer.address.slice(1 - room) : peer.address);
  const [takes, gives] = wide ? ["takes " + rate(peer.takes), "gives " + rate(peer.gives)] : ["↑" + short(peer.takes), "↓" + short(peer.gives)];
  write(group.rates, isServed ? takes + (wide ? " · " : " ") + gives : peer.gives ? gives : wide ? "gives nothing" : "");
  write(group.why, wide && isServed ? cut(why, Math.floor((card.width - 16 * k) / (6.9 * k))) : "");
}

// A rate on a narrow card.
const short = (n) => (n ? rate(n).replace("B/s", "").replace(" ", "") : "0");

// As much of a text as there is room for.
const cut = (text, room) => (text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text);

function boardInWords(served, waits, idle) {
  const who = served.map((peer) => peer.address + (peer.optimistic ? " on trial" : "") + " at " + rate(peer.takes) + (peer.why ? ", " + peer.why : ""));
  return "We serve " + (who.join("; ") || "nobody") + ". " + plural(waits.length, "peer waits", "peers wait") + ", " + plural(idle, "wants nothing", "want nothing") + ".";
}

// The countdown, between the events too.
function tickClock() {
  if (place.tab !== "choking" || !shown()) return;
  const svg = $("board");
  const left = board.until == null ? null : Math.max(0, board.until - performance.now() / 1000);
  const idle = board.idle ? " " + plural(board.idle, "peer wants", "peers want") + " nothing of us." : "";
  write($("next-round"), "Rule: " + board.rule + ". " + (left == null ? "No round is due." : "Next round in " + Math.ceil(left) + " s, one every " + board.every + " s.") + idle);
  if (!svg.clock || !svg.clock.around) return;
  const share = left == null ? 0 : Math.min(1, left / board.every);
  svg.clock.style.strokeDasharray = svg.clock.around * share + " " + svg.clock.around;
}

// The last decisions: the list is made anew only when there is another one; their age runs.
function showDecisions(decisions) {
  const decided = place.torrent + JSON.stringify(decisions, (name, value) => (name === "ago" ? undefined : value));
  if (decided !== board.decided) {
    board.decided = decided;
    const items = decisions.map(decisionItem);
    $("decisions").replaceChildren(...(items.length ? items : [make("li", "faint", "Nothing was decided yet.")]));
  }
  decisions.forEach((decision, i) => write($("decisions").children[i].firstChild.lastChild, time(decision.ago) + " ago"));
}

function decisionItem(decision) {
  const what = { "round": "Round", "free-slot": "A slot became free" }[decision.what] || decision.what;
  const list = make("ul");
  for (const { peer, why, optimistic } of decision.served) list.append(make("li", optimistic ? "trial" : "", (peer || "a web seed") + ": " + why));
  for (const peer of decision.dropped) list.append(make("li", "faint", peer + ": lost its slot"));
  if (!list.children.length) list.append(make("li", "faint", "nobody is served"));
  return make("li", "", null, make("p", "", null, make("strong", "", what), " ", make("small")), list);
}

// ---- Graphs ---------------------------------------------------------------------------------

const charts = new Map();

function onHistory(history) {
  news.history = history;
  news.grown = performance.now();
}

// Between two histories, which come every 10 s, the states say how it goes on.
function growHistory(state) {
  if (!news.history || performance.now() - news.grown < 950) return;
  news.grown = performance.now();
  const torrent = state.torrents.find((one) => one.id === place.torrent);
  const grow = (history, now) => {
    if (!history || !now) return;
    for (const way of ["down", "up"]) {
      history.recent[way].push(now[way]);
      if (history.recent[way].length > 300) history.recent[way].shift();
    }
  };
  grow(news.history.session, state.totals);
  grow(news.history.torrent, torrent);
}

function showGraphs(torrent, details) {
  const ofAll = $("graph-scope").value === "session";
  const history = news.history && (ofAll ? news.history.session : news.history.torrent);
  const session = news.state.session;
  const limit = (way) => (ofAll || torrent[way + "Limit"] == null ? session[way + "Limit"] : torrent[way + "Limit"]);
  const lines = (part) => [
    { name: "down", colour: token("accent"), values: part.down, limit: limit("down") },
    { name: "up", colour: token("up"), values: part.up, limit: limit("up") },
  ];
  const none = { every: 1, down: [], up: [] };
  const { recent, whole } = history || { recent: none, whole: none };
  chart("graph-recent", { lines: lines(recent), every: recent.every, span: 300, ago: true });
  chart("graph-whole", { lines: lines(whole), every: whole.every, span: Math.max(1, whole.down.length * whole.every), ago: false });
  chart("graph-copies", { bars: details ? details.availability : [] });
}

// Draws a picture and says it in words.
function chart(id, what) {
  const canvas = $(id);
  if (!charts.has(id)) buildChart(canvas);
  Object.assign(charts.get(id), what);
  drawChart(canvas);
}

// The value under the pointer, or where the arrow keys go.
function buildChart(canvas) {
  const state = { at: null };
  charts.set(canvas.id, state);
  const at = (share) => {
    state.at = share;
    drawChart(canvas);
  };
  canvas.addEventListener("pointermove", (event) => at(Math.max(0, Math.min(1, (event.offsetX - state.left) / state.width))));
  canvas.addEventListener("pointerleave", () => at(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    at(Math.max(0, Math.min(1, (state.at == null ? 1 : state.at) + step)));
    announce($(canvas.id + "-says").textContent);
  });
}

function drawChart(canvas) {
  const state = charts.get(canvas.id);
  const k = zoom();
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = 12.8 * k + "px system-ui, sans-serif";
  Object.assign(state, { left: 74 * k, top: 24 * k, width: width - 84 * k, height: height - 48 * k, k });
  if (state.bars) drawBars(canvas, pen, state);
  else drawLines(canvas, pen, state);
}

// A round number at or above the most: 1, 2 or 5 times a power of ten.
function roundUp(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return power * [1, 2, 5, 10].find((step) => step * power >= most);
}

// The frame: faint lines across with their values, and words below.
function drawFrame(pen, { left, top, width, height, k }, most, inWords) {
  pen.strokeStyle = token("line");
  pen.fillStyle = token("faint");
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const y = Math.round(top + height * (1 - share)) + 0.5;
    pen.beginPath();
    pen.moveTo(left, y);
    pen.lineTo(left + width, y);
    pen.stroke();
    pen.fillText(inWords(most * share), left - 7 * k, y);
  }
  pen.textBaseline = "top";
}

function drawLines(canvas, pen, state) {
  const { lines, every, span, ago, left, top, width, height, k } = state;
  const peak = Math.max(1000, ...lines.flatMap((line) => line.values));
  const near = lines.map((line) => line.limit).filter((limit) => limit && limit <= peak * 3);
  const most = roundUp(Math.max(peak, ...near) * 1.02);
  const y = (n) => top + height * (1 - n / most);
  const x = (i, length) => left + width * (ago ? 1 - ((length - 1 - i) * every) / span : length > 1 ? i / (length - 1) : 1);
  drawFrame(pen, state, most, rate);
  for (const share of width > 380 * k ? [0, 0.5, 1] : [0, 1]) {
    pen.textAlign = { 0: "left", 0.5: "center", 1: "right" }[share];
    const seconds = time(ago ? span * (1 - share) : span * share).replace(/ 0 \w+$/, "");
    pen.fillText(ago ? (share === 1 ? "now" : seconds + " ago") : share === 0 ? "start" : seconds, left + width * share, top + height + 6 * k);
  }
  for (const line of lines) drawLine(pen, line, x, y, state, most);
  drawKeys(pen, state);
  const length = lines[0].values.length;
  const [down, up] = lines.map((line) => line.values);
  const says = (i) => "down " + rate(down[i]) + ", up " + rate(up[i]);
  mark(canvas, "aria-label", length ? "Now " + says(length - 1) + "; most down " + rate(Math.max(...down)) + ", most up " + rate(Math.max(...up)) : "No rates yet");
  if (state.at == null || !length) return write($(canvas.id + "-says"), length ? "Point at a moment to read its values." : "No rates yet.");
  const i = Math.max(0, Math.min(length - 1, Math.round(ago ? length - 1 - ((1 - state.at) * span) / every : state.at * (length - 1))));
  pen.fillStyle = token("ink");
  pen.fillRect(x(i, length) - 0.5, top, 1, height);
  write($(canvas.id + "-says"), (ago ? time((length - 1 - i) * every) + " ago" : "after " + time(i * every)) + ": " + says(i));
}

// One line, with its limit dashed in its colour.
function drawLine(pen, { values, colour, limit, name }, x, y, { left, width, k }, most) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 2 * k;
  pen.lineJoin = "round";
  pen.beginPath();
  values.forEach((value, i) => pen.lineTo(x(i, values.length), y(value)));
  pen.stroke();
  if (limit == null || limit > most) return;
  pen.setLineDash([6 * k, 5 * k]);
  pen.lineWidth = 1.5 * k;
  pen.beginPath();
  pen.moveTo(left, y(limit));
  pen.lineTo(left + width, y(limit));
  pen.stroke();
  pen.setLineDash([]);
  pen.textAlign = "right";
  pen.textBaseline = "bottom";
  pen.fillText("limit " + name + " " + rate(limit), left + width - 4 * k, y(limit) - 2 * k);
  pen.textBaseline = "top";
}

// What the colours are, above the picture, with the values of now.
function drawKeys(pen, { lines, left, width, k }) {
  let x = left;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  for (const { name, colour, values, limit } of lines) {
    const against = width < 380 * k ? "" : limit == null ? ", no limit" : ", limit " + rate(limit);
    const text = name + " " + rate(values[values.length - 1]) + against;
    pen.fillStyle = colour;
    pen.fillRect(x, 8 * k, 18 * k, 4 * k);
    pen.fillStyle = token("ink");
    pen.fillText(text, x + 24 * k, 10 * k);
    x += pen.measureText(text).width + 48 * k;
  }
}

// How many pieces have no copy, one, two ...
function drawBars(canvas, pen, state) {
  const { bars, left, top, width, height, k } = state;
  const most = roundUp(Math.max(1, ...bars));
  drawFrame(pen, state, most, (n) => (n === Math.round(n) ? count(n) : ""));
  const step = width / Math.max(1, bars.length);
  const every = Math.ceil((24 * k) / step);
  const words = (i) => (i === bars.length - 1 && i ? i + " or more copies" : plural(i, "copy", "copies")) + ": " + plural(bars[i], "piece", "pieces");
  pen.textAlign = "center";
  bars.forEach((n, i) => {
    const tall = n ? Math.max(1.5, (height * n) / most) : 0;
    pen.fillStyle = copyColour(i);
    pen.fillRect(left + i * step + 1, top + height - tall, Math.max(1, step - 2), tall);
    pen.fillStyle = token("faint");
    if (i % every === 0) pen.fillText(i, left + (i + 0.5) * step, top + height + 6 * k);
  });
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillStyle = token("ink");
  pen.fillText("pieces, by their copies", left, 10 * k);
  mark(canvas, "aria-label", bars.length ? bars.map((n, i) => (n ? words(i) : "")).filter(Boolean).join("; ") : "No pieces yet");
  const i = state.at == null ? null : Math.min(bars.length - 1, Math.floor(state.at * bars.length));
  write($(canvas.id + "-says"), i == null || i < 0 ? "Point at a bar to read it." : words(i));
}

// ---- Files ----------------------------------------------------------------------------------

const FILE_COLUMNS = [["wanted"], ["name"], ["size", "", true], ["done"], ["priority"]];

// For so long the controls of a file stay as they were set, in ms: news from before the order may still come.
const FILE_HOLD = 2000;

let filesShown = null;
const filesSet = new Map(); // what was set last, by torrent and file
const fileKey = (index) => place.torrent + "/" + index;

function onFiles(files) {
  news.files = files;
  if (place.tab === "files" && shown()) showFiles();
}

// Thousands of rows are filled again only when there is news of them.
function showNewFiles() {
  if (filesShown !== news.files || !news.files) showFiles();
}

function showFiles() {
  filesShown = news.files;
  const files = news.files && news.files.id === place.torrent ? news.files.files : [];
  const filter = $("files-filter").value.toLowerCase();
  const listed = files.map((file, index) => ({ ...file, index })).filter((file) => file.name.toLowerCase().includes(filter));
  keep($("files").tBodies[0], listed, (file) => file.index, buildFile, fillFile);
  $("files").hidden = !listed.length;
  const wanted = files.filter((file) => file.wanted);
  const sum = wanted.reduce((all, file) => all + file.length, 0);
  const more = news.files && news.files.more ? "; " + plural(news.files.more, "file is", "files are") + " not listed" : "";
  const hidden = listed.length < files.length ? count(listed.length) + " listed; " : "";
  write($("files-summary"), files.length ? hidden + count(wanted.length) + " of " + plural(files.length, "file", "files") + " wanted, " + bytes(sum) + more : "Its files are not known yet.");
}

function buildFile({ index }) {
  const row = tableRow(FILE_COLUMNS);
  row.dataset.index = index;
  row.box = make("input");
  row.box.type = "checkbox";
  row.box.addEventListener("change", () => setFiles(row.box.checked ? "files-wanted" : "files-unwanted", [index]));
  row.wanted.append(row.box);
  row.folder = make("span", "faint");
  row.leaf = make("span");
  row.name.append(row.folder, row.leaf);
  row.bar = make("span", "bar", null, make("i"));
  row.share = make("span");
  row.done.append(row.bar, row.share);
  row.rank = make("select");
  for (const rank of ["high", "normal", "low"]) row.rank.append(new Option(rank, rank));
  row.rank.addEventListener("change", () => setFiles("priority-" + row.rank.value, [index]));
  row.priority.append(row.rank);
  return row;
}

function fillFile(row, file) {
  const end = file.name.lastIndexOf("/") + 1;
  row.classList.toggle("unwanted", !file.wanted);
  mark(row.box, "aria-label", "want " + clean(file.name));
  mark(row.rank, "aria-label", "priority of " + clean(file.name));
  write(row.folder, file.name.slice(0, end));
  write(row.leaf, file.name.slice(end));
  write(row.size, bytes(file.length));
  setBar(row.bar, file.length ? file.done / file.length : 1);
  write(row.share, percent(file.length ? file.done : 1, file.length || 1));
  if (filesSet.has(fileKey(file.index))) return;
  row.box.checked = file.wanted;
  if (document.activeElement !== row.rank) row.rank.value = file.priority;
}

// Wants, skips or ranks files; what is listed follows from the events, at once where it was refused.
async function setFiles(what, indices) {
  const order = {};
  const keys = indices.map(fileKey);
  for (const key of keys) filesSet.set(key, order);
  if (await attempt($("files-said"), "torrent-set", { ids: [place.torrent], [what]: indices })) await new Promise((after) => setTimeout(after, FILE_HOLD));
  for (const key of keys) if (filesSet.get(key) === order) filesSet.delete(key);
  showFiles();
}

// The same for all that are listed; an empty list means every file, also those that are not listed.
function setListed(what) {
  const rows = [...$("files").tBodies[0].rows];
  if (!rows.length) return;
  setFiles(what, $("files-filter").value ? rows.map((row) => Number(row.dataset.index)) : []);
}

// ---- Trackers -------------------------------------------------------------------------------

const TRACKER_COLUMNS = [["tier", "tier", true], ["url"], ["state"], ["last", "asked", true], ["next", "next", true], ["peers", "peers", true], ["seeders", "seeders", true], ["leechers", "leechers", true]];

function showTrackers(torrent, details) {
  if (!details) return;
  const now = news.state.now;
  const number = (n) => (n == null ? "–" : count(n));
  $("trackers").hidden = !details.trackers.length;
  keep($("trackers").tBodies[0], details.trackers, (tracker) => tracker.tier + " " + tracker.url, () => tableRow(TRACKER_COLUMNS), (row, tracker) => {
    write(row.tier, tracker.tier + 1);
    write(row.url, tracker.url);
    write(row.state, trackerState(tracker));
    row.state.classList.toggle("trouble", Boolean(tracker.error));
    write(row.last, tracker.last == null ? "never" : time(Math.max(0, now - tracker.last)) + " ago");
    write(row.next, tracker.next == null ? "–" : "in " + time(Math.max(0, tracker.next - now)));
    for (const name of ["peers", "seeders", "leechers"]) write(row[name], number(tracker[name]));
  });
  showFacts(torrent);
}

function trackerState(tracker) {
  if (tracker.error) return tracker.error;
  if (tracker.asking) return "is being asked";
  if (tracker.backup) return "stands by";
  return tracker.last == null ? "not asked yet" : "answered";
}

// What a torrent says of itself, to copy.
function showFacts(torrent) {
  const facts = [["Hash", torrent.hash], ["Hash, v2", torrent.hashV2], ["Magnet link", torrent.magnet], ["Folder", torrent.folder], ["Downloaded", bytes(torrent.downloaded)], ["Uploaded", bytes(torrent.uploaded)], ["Came wrong", bytes(torrent.corrupt)]];
  for (const [name, value] of [["Added", torrent.added], ["Whole since", torrent.done]]) if (value) facts.push([name, new Date(value * 1000).toLocaleString()]);
  const parts = facts.filter((fact) => fact[1]).flatMap(([name, value]) => [{ name, tag: "dt", text: name }, { name, tag: "dd", text: value }]);
  keep($("facts"), parts, (part) => part.tag + part.name, (part) => make(part.tag, part.name.startsWith("Hash") ? "mono" : ""), (element, part) => write(element, part.text));
}

// ---- Log ------------------------------------------------------------------------------------

const MOST_ROWS = 1000;
const MOST_HELD = 5000;
// The boxes of the filter; together they have every name there is.
const GROUPS = {
  "requests and data": "GET CHUNK_DATA REQUEST PIECE CANCEL REJECT REJECT_REQUEST ACK",
  "have and bitfield": "BITFIELD HAVE HAVE_ALL HAVE_NONE LT_DONTHAVE SUGGEST_PIECE ALLOWED_FAST INTERESTED NOT_INTERESTED UPLOAD_ONLY",
  "choke": "CHOKE UNCHOKE",
  "handshake": "HELLO STATE HANDSHAKE EXTENDED_HANDSHAKE BYE dial refused open close part",
  "decisions": "pick choke unchoke show verify ban missed overdue complete",
  "others": "GET_COUNT CHUNK_COUNT GET_METAINFO METAINFO GET_HASHES HASH_REQUEST HASHES HASH_REJECT ERROR PEERS PEER_LIST PING KEEP_ALIVE PONG UT_METADATA_REQUEST UT_METADATA_DATA UT_METADATA_REJECT UT_PEX OTHER start",
};
const RULES = {
  "begun": () => "the piece is begun", "random-first": () => "the first piece, at random", "random": () => "at random", "in-order": () => "the next in order",
  "rarest": (why) => "among the rarest: " + plural(why.avail, "copy", "copies") + ", " + plural(why.ties, "piece", "pieces") + " as rare",
  "edge": () => "the ends of a file come first", "gap": () => "the longest gap", "end-game": () => "end game: another peer still owes it", "probe": () => "it is late: only what another owes too",
  "gives": (why) => "place " + why.rank + " of " + why.of + " who give, with " + rate(why.rate), "optimistic": (why) => "optimistic: its turn among " + why.among,
  "kept": (why) => "we seed, and it keeps its slot, served for " + why.secs + " s", "turn": (why) => "we seed, and it is its turn among " + why.among, "lot": (why) => "by lot among " + why.among,
  "waited": (why) => "its turn after " + why.secs + " s", "everybody": () => "everybody is served", "bargain": (why) => "a bargain: " + rate(why.gives) + " for " + rate(why.costs),
  "share": (why) => "its share: " + why.permille / 10 + " % of what we receive", "own": (why) => why.says, "fewest-copies": (why) => "fewest copies: " + why.copies,
  "given": () => "it was given to us", "tracker": () => "named by a tracker", "caller": () => "it called us before", "gossip": (why) => "named by " + why.from,
  "wants-nothing": () => "neither side wants anything of the other", "has-nothing": () => "it has nothing that we lack", "serves-nothing": () => "it serves us nothing",
  "both-seed": () => "both are seeders", "snubbed": () => "it answered no request in time", "refuses": () => "it refused whatever it was asked for", "banned": () => "it sent wrong bytes", "wrong-bytes": () => "it sent wrong bytes",
  "one-writer": () => "one peer wrote it all", "many-writers": () => "several wrote it: leaf hashes are asked for", "no-writer": () => "the bytes were there before",
};
const EVENTS = { pick: "chooses", choke: "choking round", unchoke: "free slot given", verify: "verified", ban: "banned", open: "connected", close: "connection ended", dial: "calls", refused: "call failed", part: "lets go", missed: "deadline missed", overdue: "slower than thought", complete: "complete", show: "shows a piece", start: "began" };

const log = { stream: null, url: "", paused: false, waiting: [], held: 0, lost: 0, frame: 0 };

// Opens /log while it can be seen, closes it otherwise.
function tendLog() {
  const url = place.tab === "log" && shown() && !document.hidden ? logUrl() : "";
  if (url === log.url) return;
  log.url = url;
  if (log.stream) log.stream.close();
  log.stream = null;
  if (url === "none") sayLog("No type is chosen.");
  if (!url || url === "none") return;
  sayLog("Opening …");
  const opened = (log.stream = new EventSource(url));
  opened.onopen = () => sayLog("");
  opened.onmessage = (event) => onLines(JSON.parse(event.data));
  opened.addEventListener("lost", (event) => missLines(JSON.parse(event.data).lines));
  opened.onerror = () => onLogBroken(opened);
}

// The browser opens a broken log again by itself; one that is refused is tried again a little later.
function onLogBroken(broken) {
  if (broken !== log.stream) return;
  if (broken.readyState === EventSource.CONNECTING) return sayLog("Connection lost, trying again …");
  sayLog("The peer refuses the log: too many may be watching. Trying again …");
  setTimeout(() => {
    if (broken !== log.stream) return;
    log.url = "";
    tendLog();
  }, 3000);
}

// The address by the filter; "none" if nothing is wanted.
function logUrl() {
  const boxes = [...$("log-types").querySelectorAll("input")];
  const chosen = boxes.filter((box) => box.checked);
  if (!chosen.length) return "none";
  const query = new URLSearchParams();
  if ($("log-peer").value.trim()) query.set("peer", $("log-peer").value.trim());
  if (chosen.length < boxes.length) query.set("types", chosen.map((box) => GROUPS[box.value].replaceAll(" ", ",")).join());
  return "/log" + (query.size ? "?" + query : "");
}

// Lines wait for the next frame, or while the log is paused for a step; what finds no room is counted.
function onLines(lines) {
  log.waiting.push(...lines);
  const most = log.paused ? MOST_HELD : MOST_ROWS;
  const over = log.waiting.length - most;
  if (over > 0) {
    // Paused, the oldest are what a step comes to next; running, the newest are what matters.
    if (log.paused) log.waiting.length = most;
    else log.waiting.splice(0, over);
    missLines(over);
  }
  if (log.paused) showHeld();
  else if (!log.frame) log.frame = requestAnimationFrame(flushLog);
}

function missLines(lines) {
  log.lost += lines;
  write($("log-lost"), log.lost ? count(log.lost) + " not shown: too many at once" : "");
}

// Puts what waits on the page.
function flushLog() {
  log.frame = 0;
  if (!log.paused) addRows(log.waiting.splice(0));
}

// Adds rows below; the view follows if it was at the end, and the oldest leave.
function addRows(lines) {
  const list = $("log-rows");
  const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  list.append(...lines.map(logRow));
  while (list.children.length > MOST_ROWS) list.firstChild.remove();
  if (follows || log.paused) list.scrollTop = list.scrollHeight;
}

// One line: when, which way, who, what, its numbers, and why.
function logRow(line) {
  const said = line.ev === "send" || line.ev === "recv";
  const bad = line.ev === "ban" || line.ok === false;
  const row = make("li");
  row.dataset.way = said ? line.ev : bad ? "bad" : "own";
  row.dataset.msg = line.msg || line.ev;
  const way = make("span", "way", { send: "→", recv: "←" }[line.ev] || "●");
  way.title = { send: "we say", recv: "we hear" }[line.ev] || "here";
  const name = line.msg || (line.ok === false ? "wrong hash" : EVENTS[line.ev]) || line.ev;
  row.append(
    make("span", "t mono", Number(line.t).toFixed(3)), way, make("span", "peer mono", line.to || line.from || ""),
    make("span", "msg", name), make("span", "what", numbersOf(line)), make("span", "why", reasonOf(line)));
  return row;
}

const HIDDEN = new Set(["off", "t", "n", "ev", "conn", "to", "from", "msg", "kind", "seq", "why", "torrent", "set", "dropped", "ok", "id"]);

// The numbers of a line, each with its name.
function numbersOf(line) {
  const parts = [];
  if (Array.isArray(line.set)) parts.push("serves " + (line.set.map((one) => one.to || "a web seed").join(", ") || "nobody"));
  if (Array.isArray(line.dropped) && line.dropped.length) parts.push("drops " + line.dropped.map((one) => one.to).join(", "));
  for (const [name, value] of Object.entries(line)) {
    if (HIDDEN.has(name) && !(name === "dropped" && !Array.isArray(value))) continue;
    if (name === "says") parts.push("“" + value + "”");
    else if (name === "len") parts.push(count(value) + " bytes" + (line.off == null ? "" : " at " + count(line.off)));
    else parts.push(name + " " + (typeof value === "number" ? count(value) : value));
  }
  return parts.join(", ");
}

// The reason in words; of a round, one for each who is served.
function reasonOf(line) {
  if (Array.isArray(line.set)) return line.set.map((one) => (one.to || "a web seed") + ": " + reason(one.why)).join("; ");
  return line.why ? reason(line.why) : "";
}

function reason(why) {
  const words = RULES[why.rule] ? RULES[why.rule](why) : why.rule;
  return why.retry ? words + ", try " + (why.retry + 1) + " after " + why.after + " s" : words;
}

function sayLog(text) {
  write($("log-says"), text);
}

function showHeld() {
  sayLog("Paused; " + plural(log.waiting.length, "line waits", "lines wait"));
  $("log-step").disabled = !log.waiting.length;
}

function pauseLog() {
  log.paused = !log.paused;
  mark($("log-pause"), "aria-pressed", log.paused);
  write($("log-pause"), log.paused ? "Resume" : "Pause");
  $("log-step").disabled = true;
  sayLog("");
  if (log.paused) showHeld();
  else addRows(log.waiting.splice(0).slice(-MOST_ROWS));
}

// While it is paused: one message more.
function stepLog() {
  if (!log.paused || !log.waiting.length) return;
  addRows(log.waiting.splice(0, 1));
  showHeld();
}

function clearLog() {
  $("log-rows").replaceChildren();
  log.waiting = [];
  log.lost = 0;
  missLines(0);
  if (log.paused) showHeld();
}

// The peers to choose from.
function showLogPeers(torrent, details) {
  if (!details || document.activeElement === $("log-peer")) return;
  keep($("log-peers"), details.peers, (peer) => peer.address, (peer) => new Option("", peer.address), () => {});
}

// The log of one peer.
function logOf(address) {
  $("log-peer").value = address;
  clearLog();
  go({ tab: "log" });
  $("tab-log").focus();
}

function buildLogTypes() {
  for (const name of Object.keys(GROUPS)) {
    const box = make("input");
    box.type = "checkbox";
    box.checked = true;
    box.value = name;
    $("log-types").append(make("label", "check", null, box, " " + name));
  }
}

// ---- Adding ---------------------------------------------------------------------------------

function openAdd() {
  tellAdd([]);
  if (news.state) write($("add-usual"), news.state.session.downloadDir || "the usual folder");
  $("add").showModal();
  $("add-what").focus();
}

// What goes with every addition: where to, and whether to wait.
function addSettings() {
  const settings = { paused: $("add-paused").checked };
  if ($("add-folder").value.trim()) settings["download-dir"] = $("add-folder").value.trim();
  return settings;
}

// Everything that the dialog was given.
async function addGiven() {
  const jobs = [];
  const what = $("add-what").value.trim();
  const seed = $("add-seed").value.trim();
  if (what) jobs.push({ label: what, filename: what });
  if (seed) jobs.push({ label: seed, seed });
  for (const file of $("add-files").files) jobs.push({ label: file.name, file });
  if (!jobs.length) return tellAdd(["nothing to add: give a link, a name, a file or a path"]);
  $("add-go").disabled = true;
  const troubles = await addAll(jobs);
  $("add-go").disabled = false;
  if (troubles.length) return tellAdd(troubles);
  for (const id of ["add-what", "add-seed", "add-files"]) $(id).value = "";
  $("add-paused").checked = false; // what is dropped later is not to wait unseen
  $("add").close();
}

// Adds one after the other; the sentences of those that were refused.
async function addAll(jobs) {
  const troubles = [];
  for (const { label, file, ...job } of jobs) {
    try {
      if (file) job.metainfo = await base64Of(file);
      const said = await order("torrent-add", { ...job, ...addSettings() });
      const added = said["torrent-added"] || said["torrent-duplicate"];
      if (said["torrent-duplicate"]) troubles.push(added.name + " is in the list already");
      if (added && added.id) go({ torrent: added.id });
    } catch (trouble) {
      troubles.push(label + ": " + trouble.message);
    }
  }
  return troubles;
}

// A file's bytes as base64, by way of a data URL.
function base64Of(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(new Error("the browser cannot read it"));
    reader.readAsDataURL(file);
  });
}

// The refusals as a list, in the dialog.
function tellAdd(troubles) {
  $("add-said").hidden = !troubles.length;
  $("add-said").firstElementChild.replaceChildren(...troubles.map((trouble) => make("li", "", trouble)));
}

// Whether something that is dragged may be dropped here: files, or a link.
const isWelcome = (event) => [...event.dataTransfer.types].some((type) => type === "Files" || type === "text/uri-list" || type === "text/plain");

async function onDrop(event) {
  $("drop-here").hidden = true;
  if (!isWelcome(event) || event.target.matches("input")) return;
  event.preventDefault();
  const link = event.dataTransfer.getData("text/plain").trim();
  const jobs = [...event.dataTransfer.files].map((file) => ({ label: file.name, file }));
  if (!jobs.length && /^(magnet:|https?:)/.test(link)) jobs.push({ label: link, filename: link });
  if (!jobs.length) return;
  const troubles = await addAll(jobs);
  if ($("add").open) tellAdd(troubles);
  else toast(troubles.join("; ") || plural(jobs.length, "torrent", "torrents") + " added", !troubles.length);
}

let fading = 0;

// A word at the foot of the page, for what has no place of its own.
function toast(text, fine) {
  tell($("page-said"), text, fine);
  clearTimeout(fading);
  fading = setTimeout(() => tell($("page-said"), ""), fine ? 4000 : 12000);
}

let catalogue = null;

// Opens or closes the catalogue; it is asked for each time it is opened.
async function toggleCatalogue() {
  const open = $("catalogue-box").hidden;
  $("catalogue-box").hidden = !open;
  mark($("catalogue-open"), "aria-expanded", open);
  if (!open) return;
  try {
    tell($("catalogue-said"), "asking the tracker …", true);
    catalogue = (await order("catalogue", {})).entries || [];
    tell($("catalogue-said"), catalogue.length ? "" : "the tracker's catalogue is empty");
  } catch (trouble) {
    catalogue = [];
    tell($("catalogue-said"), trouble.message);
  }
  showCatalogue();
}

function showCatalogue() {
  const filter = $("catalogue-filter").value.toLowerCase();
  const listed = (catalogue || []).filter((entry) => entry.name.toLowerCase().includes(filter)).slice(0, 500);
  $("catalogue").tBodies[0].replaceChildren(...listed.map(catalogueRow));
}

function catalogueRow(entry) {
  const add = make("button", "plain", entry.name);
  add.type = "button";
  add.dataset.name = entry.name;
  add.title = "Add it";
  add.addEventListener("click", async () => {
    const troubles = await addAll([{ label: entry.name, filename: entry.infoHash || entry.name }]);
    tellAdd(troubles);
    if (!troubles.length) $("add").close();
  });
  const number = (text) => make("td", "n", text);
  return make("tr", "", null, make("td", "", null, add), number(bytes(entry.size)), number(count(entry.seeders)), number(count(entry.leechers)));
}

// ---- Removing, limits -----------------------------------------------------------------------

let removing = null;

// Asks first, with the name and with how many bytes would go.
function openRemove() {
  removing = shown();
  if (!removing) return;
  $("remove-data").checked = false;
  tell($("remove-said"), "");
  write($("remove-name"), removing.name);
  write($("remove-data-says"), "also delete its data: " + bytes(removing.have) + " in " + removing.folder);
  nameRemoval();
  $("remove").showModal();
}

// The button says what it will do.
function nameRemoval() {
  write($("remove-go"), $("remove-data").checked ? "Remove, and delete " + bytes(removing.have) : "Remove, keep the data");
}

async function removeNow() {
  const name = removing.name;
  const done = await attempt($("remove-said"), "torrent-remove", { ids: [removing.id], "delete-local-data": $("remove-data").checked });
  if (!done) return;
  $("remove").close();
  announce(name + " was removed.");
}

let limiting = null;

// The limits of a torrent, or of all if there is none.
function openLimits(torrent) {
  if (!news.state) return;
  limiting = torrent;
  const now = torrent || news.state.session;
  write($("limits-of"), torrent ? torrent.name : "Of all torrents together");
  for (const way of ["down", "up"]) {
    const limit = now[way + "Limit"];
    $("limit-" + way + "-on").checked = limit != null;
    $("limit-" + way).value = limit == null ? 500 : Math.round(limit / 1000);
  }
  $("sequential-box").hidden = !torrent;
  $("sequential").checked = Boolean(torrent && torrent.sequential);
  tell($("limits-said"), "");
  $("limits").showModal();
}

async function setLimits() {
  const on = (way) => $("limit-" + way + "-on").checked;
  const kilo = (way) => Math.max(0, Math.round(Number($("limit-" + way).value) || 0));
  const done = limiting
    ? await attempt($("limits-said"), "torrent-set", { ids: [limiting.id], downloadLimited: on("down"), downloadLimit: kilo("down"), uploadLimited: on("up"), uploadLimit: kilo("up"), sequential_download: $("sequential").checked })
    : await attempt($("limits-said"), "session-set", { "speed-limit-down-enabled": on("down"), "speed-limit-down": kilo("down"), "speed-limit-up-enabled": on("up"), "speed-limit-up": kilo("up") });
  if (done) $("limits").close();
}

const toggleSlow = () => attempt($("session-said"), "session-set", { "alt-speed-enabled": $("slow").getAttribute("aria-pressed") !== "true" });

// ---- Theme, keys, beginning -----------------------------------------------------------------

// What this browser keeps for us; one that keeps nothing is no trouble.
function remember(name, value) {
  try {
    if (value === undefined) return localStorage.getItem("swarmlet-" + name);
    localStorage.setItem("swarmlet-" + name, value);
  } catch {
    return null;
  }
}

function setTheme(theme) {
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
  write($("theme"), "Theme: " + (root.dataset.theme || "auto"));
  repaint();
}

function nextTheme() {
  const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme || "auto"];
  remember("theme", next);
  setTheme(next);
}

// Colours or sizes changed: pictures are made anew.
function repaint() {
  map.lut = null;
  showAll();
}

// The torrent above or below the one that is shown.
function stepTorrent(step) {
  const ids = news.state ? news.state.torrents.map((torrent) => torrent.id) : [];
  const next = ids[ids.indexOf(place.torrent) + step];
  if (next) go({ torrent: next });
}

const KEYS = [
  ["a", "add a torrent", openAdd],
  ["j", "the next torrent", () => stepTorrent(1)],
  ["k", "the torrent before", () => stepTorrent(-1)],
  ["p", "pause or resume the torrent", () => shown() && orderShown(shown().state === "stopped" ? "torrent-start" : "torrent-stop")],
  ["Delete", "remove the torrent: asks first", openRemove],
  ["c", "colour the pieces by something else", () => go({ tab: "pieces", layer: LAYERS[(LAYERS.indexOf(place.layer) + 1) % LAYERS.length] })],
  ["l", "pause the log, or let it go on", () => place.tab === "log" && pauseLog()],
  [".", "one message of the paused log", () => place.tab === "log" && stepLog()],
  ["s", "the slow lane on or off", toggleSlow],
  ["t", "the next theme", nextTheme],
  ["?", "this help", () => $("help").showModal()],
];

function onKey(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !$("shortcuts-on").checked || document.querySelector("dialog[open]")) return;
  const tab = TABS[Number(event.key) - 1];
  const key = KEYS.find(([name]) => name === event.key);
  if (!tab && !key) return;
  event.preventDefault();
  if (tab) go({ tab });
  else key[2]();
}

// Arrow keys go from tab to tab, as in any list of tabs.
function onTabKey(event) {
  const at = TABS.indexOf(place.tab);
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: TABS.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const tab = TABS[(next + TABS.length) % TABS.length];
  go({ tab });
  $("tab-" + tab).focus();
}

function buildHelp() {
  const rows = [...KEYS, ["1 to 7", "the views of a torrent"], ["arrow keys", "on the pieces and on a graph: go from one to the next"]];
  $("shortcuts").tBodies[0].append(...rows.map(([key, does]) => make("tr", "", null, make("td", "", null, make("kbd", "", key)), make("td", "", does))));
  $("shortcuts-on").checked = remember("shortcuts") !== "off";
}

// Tables stay tables for assistive technology where the style lays them out as cards.
function nameTables() {
  const roles = { table: "table", "thead, tbody": "rowgroup", "thead tr": "row", "thead th": "columnheader" };
  for (const [what, role] of Object.entries(roles)) document.querySelectorAll("main :is(" + what + ")").forEach((part) => part.setAttribute("role", role));
}

// What happens when something is pressed.
function wire() {
  const click = (id, act) => $(id).addEventListener("click", act);
  click("add-open", openAdd);
  click("add-go", addGiven);
  click("catalogue-open", toggleCatalogue);
  click("pause", () => orderShown("torrent-stop"));
  click("resume", () => orderShown("torrent-start"));
  click("verify", () => orderShown("torrent-verify"));
  click("reannounce", () => orderShown("torrent-reannounce"));
  click("torrent-limits-open", () => openLimits(shown()));
  click("limits-open", () => openLimits(null));
  click("limits-go", setLimits);
  click("slow", toggleSlow);
  click("remove-open", openRemove);
  click("remove-go", removeNow);
  click("theme", nextTheme);
  click("help-open", () => $("help").showModal());
  click("files-all", () => setListed("files-wanted"));
  click("files-none", () => setListed("files-unwanted"));
  click("log-pause", pauseLog);
  click("log-step", stepLog);
  click("log-clear", clearLog);
  for (const tab of TABS) click("tab-" + tab, () => go({ tab }));
  const on = (id, name, act) => $(id).addEventListener(name, act);
  on("layer", "change", () => go({ layer: $("layer").value }));
  on("graph-scope", "change", showAll);
  on("files-filter", "input", showFiles);
  on("files-priority", "change", () => {
    if ($("files-priority").value) setListed("priority-" + $("files-priority").value);
    $("files-priority").value = "";
  });
  on("catalogue-filter", "input", showCatalogue);
  on("remove-data", "change", nameRemoval);
  on("log-peer", "change", tendLog);
  on("log-types", "change", tendLog);
  on("shortcuts-on", "change", () => remember("shortcuts", $("shortcuts-on").checked ? "on" : "off"));
  on("pieces", "pointermove", (event) => pointAt(pieceAt(event)));
  on("pieces", "pointerdown", (event) => pointAt(pieceAt(event)));
  on("pieces", "keydown", onMapKey);
  document.querySelector(".tabs").addEventListener("keydown", onTabKey);
  onEnter("add", addGiven);
  onEnter("limits", setLimits);
}

// Return in a field of a dialog does what its main button does, and does not close it.
function onEnter(id, act) {
  $(id).addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("input")) return;
    event.preventDefault();
    if (event.target.type !== "search") act();
  });
}

function wireWindow() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", tendLog);
  addEventListener("hashchange", () => {
    const before = { ...place };
    readPlace();
    const read = { ...place };
    Object.assign(place, before);
    go(read);
  });
  addEventListener("resize", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("dragover", (event) => {
    if (!isWelcome(event) || event.target.matches("input")) return;
    event.preventDefault();
    $("drop-here").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop-here").hidden = true;
  });
  addEventListener("drop", onDrop);
  setInterval(watchSilence, 1000);
  setInterval(tickClock, stands.matches ? 1000 : 100);
}

readPlace();
buildLogTypes();
buildHelp();
nameTables();
wire();
wireWindow();
setTheme(remember("theme"));
connect();
