//! Pages for people: plain HTML that needs no script and renews itself.
//!
//! Every text goes through [`Escaped`], whoever wrote it: a content's name is a stranger's.

use super::strip;
use crate::ids::InfoHash;
use crate::protocol::announce::Figures;
use crate::protocol::tracker_native::Candidate;
use crate::tracker::federation::HierarchyView;
use crate::tracker::state::views::{FiguresNow, NodeView, Overview, SwarmView};
use std::fmt::{self, Display, Write};
use std::time::Duration;

/// How often a page without scripts asks for itself again, in seconds.
const RENEWED_EVERY: u32 = 5;

/// Text that cannot be taken for markup, and cannot turn the text around it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            letter if is_unseen(letter) => f.write_char(char::REPLACEMENT_CHARACTER),
            letter => f.write_char(letter),
        })
    }
}

/// Control characters, and those that change the direction of what follows.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first page.
pub fn home(view: &Overview) -> String {
    let mut body = format!("<h1>swarmlet tracker</h1>\n{}", figures(&view.figures));
    if view.dashboard {
        body += "<p><a href=\"/swarm-view\">Whole swarms, drawn</a></p>\n";
    }
    if view.contents.is_empty() && view.announced.is_empty() {
        body += "<p>Nothing is shared here.</p>\n";
    }
    if !view.contents.is_empty() {
        body += "<div class=scroll><table id=contents>\n<thead><tr><th scope=col>content\
                 <th scope=col class=n>size<th scope=col class=n>pieces<th scope=col class=n>seeders\
                 <th scope=col class=n>leechers<th scope=col>who has what</thead>\n<tbody>\n";
        for (content, spread) in &view.contents {
            body += &row(content, spread.as_deref());
        }
        body += "</tbody></table></div>\n";
    }
    if let Some(next) = view.next {
        let _ = writeln!(body, "<p><a href=\"/?after={next}\">The next ones</a></p>");
    }
    if !view.announced.is_empty() {
        body += "<h2>Announced by BitTorrent clients alone</h2>\n<div class=scroll><table>\n\
                 <tr><th>info-hash<th class=n>seeders<th class=n>leechers<th class=n>completed\n";
        for (hash, figures) in &view.announced {
            let Figures { seeders, leechers, completed } = figures;
            let _ = writeln!(
                body,
                "<tr><td><a href=\"/swarm/{hash}\"><code>{hash}</code></a>\
                 <td class=n>{seeders}<td class=n>{leechers}<td class=n>{completed}"
            );
        }
        body += "</table></div>\n";
    }
    if let Some(next) = view.next_announced {
        let _ = writeln!(body, "<p><a href=\"/?swarms={next}\">More of these</a></p>");
    }
    body += "<section id=beats></section>\n<section id=hierarchy>";
    body += &view.hierarchy.as_ref().map_or_else(String::new, hierarchy);
    body += "</section>\n";
    body += "<footer><p>Figures for programs: \
             <a href=\"/stats.json\">stats.json</a>, <a href=\"/metrics\">metrics</a>.</p></footer>\n";
    page("swarmlet tracker", &body)
}

/// One content and its nodes; `drawn` says that there is also a drawing of it.
pub fn swarm(view: &SwarmView, drawn: bool) -> String {
    let name = if view.name.is_empty() { "no name known" } else { &view.name };
    let known = |n: u64, text: String| if n == 0 { "unknown".to_owned() } else { text };
    let facts = [
        ("size", known(view.size, bytes(view.size))),
        ("pieces", known(view.pieces.into(), view.pieces.to_string())),
        ("seeders", view.figures.seeders.to_string()),
        ("leechers", view.figures.leechers.to_string()),
        ("completed", view.figures.completed.to_string()),
        (".torrent", if view.published { "published" } else { "not published" }.to_owned()),
    ];
    let mut body = format!("<h1>{}</h1>\n{}<p><small>", Escaped(name), list(&facts));
    for hash in &view.names {
        let what = if matches!(hash, InfoHash::V1(_)) { "20 bytes" } else { "v2" };
        let _ = write!(body, "{what} <code>{hash}</code><br>");
    }
    body += "</small></p>\n";
    if let Some(hash) = view.names.first().filter(|_| drawn) {
        let _ = writeln!(body, "<p><a href=\"/swarm-view#{hash}\">This swarm, drawn</a></p>");
    }
    body += "<div class=scroll><table>\n<tr><th>node<th class=n>has<th class=n>down\
             <th class=n>up<th class=n>heard of<th>pieces, from the first to the last\n";
    for node in &view.nodes {
        body += &node_row(node, view);
    }
    body += "</table></div>\n<footer><p>";
    let hidden = (view.figures.seeders + view.figures.leechers) as usize;
    if hidden > view.nodes.len() {
        let _ = write!(body, "{} of about {hidden} nodes. ", view.nodes.len());
    }
    body += "<code>█</code> has all of it, <code>▓▒░</code> a part, <code>·</code> nothing. \
             <a href=\"/\">All contents</a></p></footer>\n";
    page(name, &body)
}

/// Why there is no page.
pub fn refusal(why: &str) -> String {
    let body = format!("<h1>{}</h1>\n<p><a href=\"/\">All contents</a></p>\n", Escaped(why));
    page("swarmlet tracker", &body)
}

/// A page that stays up to date by its script, or asks for itself again where there are none.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width\">\n\
         <noscript><meta http-equiv=refresh content={RENEWED_EVERY}></noscript>\n\
         <script src=\"/tracker.js\" defer></script>\n<title>{}</title>\n\
         <link rel=stylesheet href=\"/style.css\">\n<link rel=icon href=\"data:,\"></head>\n\
         <body><main>\n{body}</main></body></html>\n",
        Escaped(title)
    )
}

fn figures(now: &FiguresNow) -> String {
    let FiguresNow { statistics: s, datagrams_per_sec, announces_per_sec } = now;
    let facts = list(&[
        ("swarms", s.torrents.to_string()),
        ("peers", s.peers.to_string()),
        ("seeders", s.seeders.to_string()),
        ("leechers", s.leechers.to_string()),
        (".torrents", format!("{} ({})", s.published, bytes(s.published_bytes as u64))),
        ("datagrams", format!("{} ({datagrams_per_sec:.1}/s)", s.datagrams)),
        ("announces", format!("{} ({announces_per_sec:.1}/s)", s.announces)),
        ("refused", s.refused.to_string()),
        ("connections", s.connections.to_string()),
        ("running for", age(Duration::from_secs_f64(s.uptime_secs))),
    ]);
    facts.replacen("<dl>", "<dl id=figures>", 1)
}

fn list(facts: &[(&str, String)]) -> String {
    let facts = facts.iter().map(|(what, value)| format!("<div><dt>{what}<dd>{value}</div>\n"));
    format!("<dl>\n{}</dl>\n", facts.collect::<String>())
}

/// This tracker's part in a hierarchy, and what it remembers.
fn hierarchy(view: &HierarchyView) -> String {
    let mut facts = Vec::new();
    if let Some(zone) = &view.zone {
        facts.push(("zone", Escaped(zone).to_string()));
    }
    if view.resolver {
        facts.push(("part", "resolver".to_owned()));
    }
    if let Some(parent) = view.parent {
        facts.push(("root", format!("<code>{parent}</code>")));
    }
    for (zone, addr) in &view.delegations {
        let zone = zone.to_string();
        facts.push(("delegated", format!("{} to <code>{addr}</code>", Escaped(&zone))));
    }
    let mut text = format!("<h2>Hierarchy</h2>\n{}", list(&facts));
    if view.cache.is_empty() {
        return text;
    }
    text += "<div class=scroll><table>\n<thead><tr><th scope=col>remembered\
             <th scope=col class=n>records<th scope=col class=n>holds<th scope=col class=n>of\
             </thead>\n<tbody>\n";
    for entry in &view.cache {
        let left = if entry.left.is_zero() { "stale".to_owned() } else { age(entry.left) };
        let records = if entry.negative { "none".to_owned() } else { entry.records.to_string() };
        let _ = writeln!(
            text,
            "<tr><td class=name><code>{}</code><td class=n>{records}<td class=n>{left}\
             <td class=n>{}",
            Escaped(&entry.key),
            age(entry.ttl),
        );
    }
    text += "</tbody></table></div>\n";
    if view.cache_more > 0 {
        let _ = writeln!(text, "<p>{} more are remembered.</p>", view.cache_more);
    }
    text
}

fn row(content: &Candidate, spread: Option<&[f32]>) -> String {
    format!(
        "<tr><td class=name><a href=\"/swarm/{hash}\">{}</a><br><small><code>{}</code>{}</small>\
         <td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td><code class=strip>{}</code>\n",
        Escaped(&content.name),
        &content.info_hash.to_string()[..16],
        if content.published { "" } else { ", not published" },
        bytes(content.size),
        content.pieces,
        content.seeders,
        content.leechers,
        spread.map_or_else(String::new, strip::draw),
        hash = content.info_hash,
    )
}

fn node_row(node: &NodeView, swarm: &SwarmView) -> String {
    let has = match swarm.size {
        0 if node.left == 0 => "100 %".to_owned(),
        0 => String::new(),
        size => {
            let there = size.saturating_sub(node.left) as f64 / size as f64;
            format!("{:.0} %", (100.0 * there).floor())
        }
    };
    format!(
        "<tr><td><code>{}</code><td class=n>{has}<td class=n>{}/s<td class=n>{}/s\
         <td class=n>{} ago<td><code class=strip>{}</code>\n",
        node.addr,
        bytes(node.down.into()),
        bytes(node.up.into()),
        age(node.age),
        node.shares(swarm.pieces).map_or_else(|| "not told".to_owned(), |row| strip::draw(&row)),
    )
}

/// Bytes in decimal units, as sizes are written everywhere here.
fn bytes(n: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.into_iter().find(|(_, unit)| n as f64 >= *unit) {
        Some((word, unit)) => format!("{:.1} {word}", n as f64 / unit),
        None => format!("{n} B"),
    }
}

/// A time in its two largest units.
fn age(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_cannot_become_markup() {
        let check = |text: &str, expected: &str| assert_eq!(Escaped(text).to_string(), expected);
        check(
            "<img src=x onerror='a(\"b\")'>&",
            "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;",
        );
        check("a\u{202e}b\u{1b}[2Jc\n", "a\u{fffd}b\u{fffd}[2Jc\u{fffd}");
        check("größer, 大きい", "größer, 大きい");
    }

    #[test]
    fn bytes_and_times_are_short() {
        assert_eq!(
            [999, 1500, 2_500_000, 7_000_000_000].map(bytes),
            ["999 B", "1.5 kB", "2.5 MB", "7.0 GB"]
        );
        let ages = [0, 61, 3661, 90_000].map(|secs| age(Duration::from_secs(secs)));
        assert_eq!(ages, ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
