// Makes the tracker's first page live: figures, swarms, heartbeats, the hierarchy and its cache.
//
// The page is whole without this script. Rows are found by their content's hash and changed in
// place; whatever the tracker tells is a stranger's text and becomes text, never markup.
"use strict";

const MOST_BEATS = 200;        // rows of the list of heartbeats
const STRIPS_EVERY = 10_000;   // ms between two looks at who has what
const AGAIN = 5000;            // ms after which a page without figures is looked at again
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;
const $ = (id) => document.getElementById(id);
const names = new Map();       // hash -> name
let ahead = 0;                 // what the tracker's clock is behind ours, in ms
let entries = [];              // [bar, words, entry, when it ends on our clock] of the cache

function element(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** Only what changed is written: a selection stays, nothing flickers. */
function write(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

/** Bytes in decimal units, as the page has them. */
function bytes(n) {
  for (const [unit, word] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (n >= unit) return `${(n / unit).toFixed(1)} ${word}`;
  }
  return `${n} B`;
}

/** A time in its two largest units, as the page has it. */
function age(secs) {
  secs = Math.floor(secs);
  if (secs < 60) return `${secs} s`;
  if (secs < 3600) return `${Math.floor(secs / 60)} min ${secs % 60} s`;
  if (secs < 86400) return `${Math.floor(secs / 3600)} h ${Math.floor((secs % 3600) / 60)} min`;
  return `${Math.floor(secs / 86400)} d ${Math.floor((secs % 86400) / 3600)} h`;
}

/** The figures, by the words that stand before them. */
function showFigures(now) {
  const texts = {
    "swarms": now.torrents, "peers": now.peers, "seeders": now.seeders, "leechers": now.leechers,
    ".torrents": `${now.published} (${bytes(now.published_bytes)})`,
    "datagrams": `${now.datagrams} (${now.datagrams_per_sec.toFixed(1)}/s)`,
    "announces": `${now.announces} (${now.announces_per_sec.toFixed(1)}/s)`,
    "refused": now.refused, "connections": now.connections, "running for": age(now.uptime_secs),
  };
  for (const fact of document.querySelectorAll("#figures > div")) {
    const text = texts[fact.querySelector("dt").textContent];
    if (text !== undefined) write(fact.querySelector("dd"), String(text));
  }
}

/** The row of a content, by the address that its name leads to. */
const rowOf = (hash) => document.querySelector(`#contents a[href="/swarm/${hash}"]`)?.closest("tr");

/** The table of contents; made if nothing was shared when the page came. */
function contents() {
  if ($("contents")) return $("contents");
  const table = element("table");
  table.id = "contents";
  const head = table.createTHead().insertRow();
  const heads = [["content", ""], ["size", "n"], ["pieces", "n"], ["seeders", "n"], ["leechers", "n"], ["who has what", ""]];
  for (const [text, kind] of heads) head.append(Object.assign(element("th", text, kind), { scope: "col" }));
  const scroll = element("div", "", "scroll");
  scroll.append(table);
  $("figures").after(scroll);
  for (const words of document.querySelectorAll("body > p")) {
    if (words.textContent.startsWith("Nothing is shared")) words.remove();
  }
  return table;
}

function addRow(swarm) {
  const row = (contents().tBodies[0] || contents().createTBody()).insertRow();
  const cells = ["name", "n", "n", "n", "n", ""].map((kind) => Object.assign(row.insertCell(), { className: kind }));
  const small = element("small");
  small.append(element("code", swarm.hash.slice(0, 16)), swarm.published ? "" : ", not published");
  cells[0].append(Object.assign(element("a"), { href: `/swarm/${swarm.hash}` }), element("br"), small);
  cells[5].append(element("code", "", "strip"));
  return row;
}

/** Rows stay where they are; new ones come last, and those of contents that are gone go. */
function showSwarms(state) {
  const whole = location.search === "" && !state.more;
  for (const swarm of state.swarms) {
    names.set(swarm.hash, swarm.name);
    const listed = document.querySelector(`a[href="/swarm/${swarm.hash}"]`);
    const row = rowOf(swarm.hash) || (listed || location.search ? null : addRow(swarm));
    if (!row) continue;
    write(row.querySelector("a"), swarm.name || swarm.hash.slice(0, 16));
    const texts = [bytes(swarm.size), swarm.pieces, swarm.seeders, swarm.leechers];
    texts.forEach((text, at) => write(row.cells[at + 1], String(text)));
    if (state.dashboard) linkView(row, swarm.hash);
  }
  const there = new Set(state.swarms.map((swarm) => `/swarm/${swarm.hash}`));
  for (const link of whole ? document.querySelectorAll("#contents td.name > a") : []) {
    if (!there.has(link.getAttribute("href"))) link.closest("tr").remove();
  }
}

/** The way to the whole swarm, where this tracker shows it. */
function linkView(row, hash) {
  if (row.querySelector(".view")) return;
  const link = Object.assign(element("a", "see the swarm", "view"), { href: `/swarm-view#${hash}` });
  row.cells[0].querySelector("small").append(", ", link);
}

/** This page as the tracker makes it now, for somebody who looks; null if it cannot be had. */
async function pageNow() {
  if (document.hidden) return null;
  try {
    return new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  } catch (error) {
    return null;
  }
}

/** Who has what is drawn by the tracker: its strips are taken over. */
async function renewStrips() {
  for (const row of (await pageNow())?.querySelectorAll("#contents tr") ?? []) {
    const strip = row.querySelector(".strip");
    const mine = strip && rowOf(row.querySelector("a").getAttribute("href").slice(7))?.querySelector(".strip");
    if (mine) write(mine, strip.textContent);
  }
}

/** One content's page is shown as it is made. */
async function renewAll() {
  const main = (await pageNow())?.querySelector("main");
  if (main && main.textContent !== document.querySelector("main").textContent) document.querySelector("main").replaceWith(main);
}

/** A part of the page: what the tracker left room for, or made before the footer. */
function section(id, title) {
  let made = $(id);
  if (!made) {
    made = Object.assign(element("section"), { id });
    const main = document.querySelector("main");
    main.insertBefore(made, main.querySelector("footer"));
  }
  if (!made.dataset.live) {
    made.dataset.live = "yes";
    made.replaceChildren(element("h2", title));
    made.hidden = false;
  }
  return made;
}

/** A table with a head; its body. */
function table(into, id, heads) {
  if ($(id)) return $(id);
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const [text, kind] of heads) head.append(Object.assign(element("th", text, kind), { scope: "col" }));
  into.append(made);
  return Object.assign(made.createTBody(), { id });
}

function row(cells) {
  const made = element("tr");
  for (const [text, kind] of cells) made.append(element("td", text, kind));
  return made;
}

/** Heartbeats, the newest first. */
function showBeats({ beats, more }) {
  const body = beatList();
  for (const beat of beats) rowOf(beat.hash)?.classList.remove("pulse");
  void document.body.offsetWidth; // the animation begins anew
  for (const beat of beats) rowOf(beat.hash)?.classList.add("pulse");
  write($("beats-said"), more ? `${more} more came at that moment.` : "");
  const clock = (at) => new Date(at + ahead).toLocaleTimeString("en-GB");
  const rows = beats.map((beat) => row([[clock(beat.at_ms), "n"], [beat.from, ""],
    [names.get(beat.hash) || beat.hash.slice(0, 16), "name"], [beat.left === 0 ? "has all" : bytes(beat.left), "n"],
    [`${bytes(beat.down)}/s`, "n"], [`${bytes(beat.up)}/s`, "n"]]));
  body.prepend(...rows.reverse());
  while (body.rows.length > MOST_BEATS) body.lastChild.remove();
}

/** The list of heartbeats. */
function beatList() {
  if ($("beat-rows")) return $("beat-rows");
  const log = Object.assign(element("div", "", "log"), { tabIndex: 0 });
  log.setAttribute("role", "region");
  log.setAttribute("aria-label", "Heartbeats");
  section("beats", "Heartbeats as they arrive").append(log, Object.assign(element("p", "", "words"), { id: "beats-said" }));
  return table(log, "beat-rows", [["when", "n"], ["who", ""], ["content", ""], ["left", "n"], ["down", "n"], ["up", "n"]]);
}

/** Where this tracker stands among others, and what it keeps of their answers. */
function showHierarchy(told) {
  if (!told) return;
  const made = section("hierarchy", "Hierarchy");
  if (!$("place")) made.append(Object.assign(element("dl"), { id: "place" }));
  const facts = [["zone", told.zone], ["part", told.resolver && "resolver"], ["root", told.parent]]
    .filter(([, value]) => value);
  for (const { zone, addr } of told.delegations) facts.push(["delegated", `${zone} to ${addr}`]);
  $("place").replaceChildren(...facts.map(([what, value]) => {
    const fact = element("div");
    fact.append(element("dt", what), element("dd", value));
    return fact;
  }));
  showCache(made, told.cache, told.cache_more || 0);
}

/** Answers that are kept, by their keys; `countDown` moves their bars between two states. */
function showCache(made, cache, more) {
  const scroll = $("cache-scroll") || Object.assign(element("div", "", "scroll"), { id: "cache-scroll", tabIndex: 0 });
  const said = $("cache-said") || Object.assign(element("p", "", "words"), { id: "cache-said" });
  if (!scroll.parentNode) made.append(element("h2", "Answers it keeps"), scroll, said);
  const body = table(scroll, "cache", [["question", ""], ["records", "n"], ["ends in", "n"], ["of its time", ""], ["note", ""]]);
  write(said, cache.length ? (more ? `${more} more.` : "") : "Nothing is kept now.");
  const old = new Map([...body.rows].map((one) => [one.dataset.key, one]));
  entries = cache.map((entry) => {
    const one = old.get(entry.key) || addEntry(body, entry.key);
    old.delete(entry.key);
    write(one.cells[1], String(entry.records));
    const notes = [entry.negative && "says that there is nothing", entry.stale && "over, kept in case nobody answers"];
    write(one.cells[4], notes.filter(Boolean).join("; "));
    one.classList.toggle("stale", entry.stale);
    return [one.querySelector("i"), one.cells[2], entry, performance.now() + entry.left_ms];
  });
  for (const one of old.values()) one.remove();
}

function addEntry(body, key) {
  const one = row([[key, "name"], ["", "n"], ["", "n"], ["", ""], ["", ""]]);
  one.dataset.key = key;
  const bar = element("div", "", "ttl");
  bar.append(element("i"));
  one.cells[3].append(bar);
  body.append(one);
  return one;
}

function countDown(now) {
  for (const [bar, words, entry, ends] of entries) {
    const left = Math.max(0, ends - now);
    bar.style.width = `${Math.min(100, (100 * left) / (entry.ttl_ms || 1))}%`;
    write(words, left === 0 ? "over" : left < 60_000 ? `${(left / 1000).toFixed(STILL ? 0 : 1)} s` : age(left / 1000));
  }
  setTimeout(() => requestAnimationFrame(countDown), STILL ? 1000 : 100);
}

/** What is to be said of the connection. */
function say(text, bad) {
  write($("live"), text);
  $("live").classList.toggle("bad", bad);
}

function listen() {
  const stream = new EventSource("/live");
  stream.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    ahead = Date.now() - state.now_ms;
    say("Live", false);
    showFigures(state.figures);
    showSwarms(state);
    showHierarchy(state.hierarchy);
  });
  stream.addEventListener("beats", (event) => showBeats(JSON.parse(event.data)));
  stream.onerror = () => {
    const refused = stream.readyState === EventSource.CLOSED;
    say(refused ? "The tracker refused to go on; next try in 10 s" : "Connection lost; trying again. The figures are old", true);
    if (refused) setTimeout(listen, 10_000);
  };
}

function begin() {
  try { // what was chosen on the swarm's page
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) { /* as the system has it */ }
  if (!$("figures")) return setInterval(renewAll, AGAIN);
  const live = Object.assign(element("p", "Connecting …", "live words"), { id: "live" });
  live.setAttribute("role", "status");
  document.querySelector("h1").after(live);
  beatList();
  listen();
  setInterval(renewStrips, STRIPS_EVERY);
  requestAnimationFrame(countDown);
}

begin();
