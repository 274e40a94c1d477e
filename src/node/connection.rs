//! How a connection begins: who are you, which content, may you come in?
//!
//! The first words are read and written by [`super::opening`]; who is let in is decided by
//! [`crate::logic::admission`]; here it is done, and the first messages are said:
//!
//! ```text
//! native:      HELLO, STATE, then BITFIELD | HAVE_ALL | HAVE_NONE from both sides
//! BitTorrent:  handshake, handshake, then the same, then the extension handshake (BEP 10)
//! ```

use crate::logic::admission::{Entry, Guest, Line, Room, admit as may_enter, makes_way};
use crate::logic::ahead::Ahead;
use crate::logic::dialer::{Dial, Source};
use crate::logic::swarm::FirstWord;
use crate::logic::{PeerKey, fast_set};
use crate::node::extensions;
use crate::node::opening::{Caller, Opening, Refused};
use crate::node::outbox::{Outbox, STALLED};
use crate::node::shared::{Connection, Peers, Shared, Torrent, Who};
use crate::node::socket;
use crate::node::trace::Way;
use crate::protocol::Dialect;
use crate::protocol::bittorrent::Codec;
use crate::protocol::handshake::{Handshake, Reserved};
use crate::protocol::message::{
    Availability, ErrorMessage, ExtensionNumbers, Hello, Message, State, VERSION,
};
use crate::protocol::reader::FrameBuffer;
use crate::protocol::speech::Speech;
use crate::trace::Link;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

/// A connection that lasted so long was worth a call.
const OF_USE: Duration = Duration::from_secs(10);

/// Calls a peer about a torrent.
pub fn dial(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    &Dial { address, dialect, why }: &Dial,
) -> Result<(Arc<Connection>, FrameBuffer), Refused> {
    let (mut opening, speech) = match dialect {
        Dialect::Native => (call(shared, torrent, address)?, Speech::Native),
        Dialect::BitTorrent => shake_hands(shared, torrent, address)?,
    };
    let peer_id = opening.peer_id;
    let (stream, buffer) = (opening.stream.try_clone()?, std::mem::take(&mut opening.buffer));
    let who = Who {
        peer_id,
        address,
        listens: true,
        dialled: true,
        source: address,
        named_by: why.source,
    };
    let entered = Entered(shared, enter(shared, torrent, stream, who, speech)?);
    Ok((entered.greet(&opening), buffer))
}

fn call(shared: &Shared, torrent: &Torrent, address: SocketAddr) -> Result<Opening, Refused> {
    // The dialer calls natively only where there is a v2 hash.
    let info_hash = torrent.info_hash.v2().ok_or(Refused::UnknownContent(torrent.info_hash))?;
    let hello = Hello {
        version: VERSION,
        info_hash,
        peer_id: shared.peer_id,
        port: shared.port,
        features: Vec::new(),
    };
    Opening::call(address, shared.bind, hello)
}

/// A hybrid is called by its v1 hash, with the hint that we also know the other one (BEP 52).
fn shake_hands(
    shared: &Shared,
    torrent: &Torrent,
    address: SocketAddr,
) -> Result<(Opening, Speech), Refused> {
    let names: Vec<_> = torrent.meta.short_hashes().collect();
    let reserved = Reserved::ours().with_v2(torrent.info_hash.v2().is_some());
    let ours = Handshake { reserved, info_hash: names[0], peer_id: shared.peer_id };
    let (opening, theirs) = Opening::shake_hands(address, shared.bind, &ours, &names)?;
    Ok((opening, agreed(torrent, &theirs)))
}

/// What both sides can do. Hashes (BEP 52) are spoken of with whoever says that it knows version 2,
/// by whichever hash it came.
fn agreed(torrent: &Torrent, theirs: &Handshake) -> Speech {
    let v2 = torrent.info_hash.v2().map(|hash| hash.truncated());
    let knows_v2 = theirs.reserved.has_v2() || v2 == Some(theirs.info_hash);
    Speech::BitTorrent(Codec {
        pieces: torrent.geometry.pieces(),
        fast: theirs.reserved.has_fast(),
        extended: theirs.reserved.has_extensions(),
        v2: v2.is_some() && knows_v2,
        theirs: ExtensionNumbers::default(),
    })
}

/// Answers a peer that called; `from` is where it called from.
pub fn answer(
    shared: &Shared,
    stream: TcpStream,
    from: SocketAddr,
) -> Result<(Arc<Connection>, FrameBuffer), Refused> {
    let mut opening = Opening::new(stream)?;
    let caller = opening.caller(|skey| shared.torrents.lock().hashed(skey))?;
    let connection = match caller {
        Caller::Native(hello) => answer_hello(shared, &mut opening, &hello, from)?,
        Caller::BitTorrent(theirs) => answer_handshake(shared, &mut opening, &theirs, from)?,
    };
    Ok((Entered(shared, connection).greet(&opening), opening.buffer))
}

fn answer_handshake(
    shared: &Shared,
    opening: &mut Opening,
    theirs: &Handshake,
    from: SocketAddr,
) -> Result<Arc<Connection>, Refused> {
    let torrent = shared.torrents.lock().called(&theirs.info_hash).cloned();
    let torrent = torrent.ok_or(Refused::UnknownContent(theirs.info_hash.into()))?;
    let v2 = torrent.info_hash.v2().filter(|_| theirs.reserved.has_v2());
    let ours = Handshake {
        reserved: Reserved::ours().with_v2(torrent.info_hash.v2().is_some()),
        info_hash: v2.map_or(theirs.info_hash, |hash| hash.truncated()),
        peer_id: shared.peer_id,
    };
    if theirs.peer_id == shared.peer_id {
        opening.say_handshake(&ours)?; // our own id is what tells the dialler
        return Err(Refused::Ourselves);
    }
    let speech = agreed(&torrent, theirs);
    let who = Who {
        peer_id: theirs.peer_id,
        address: from,
        listens: false,
        dialled: false,
        source: from,
        named_by: Source::Caller,
    };
    let connection = enter(shared, &torrent, opening.stream.try_clone()?, who, speech)?;
    // Its own thread is the only one that writes until the outbox is opened.
    if let Err(error) = opening.say_handshake(&ours) {
        leave(shared, &connection);
        return Err(error.into());
    }
    Ok(connection)
}

fn answer_hello(
    shared: &Shared,
    opening: &mut Opening,
    hello: &Hello,
    from: SocketAddr,
) -> Result<Arc<Connection>, Refused> {
    let refused = match admit(shared, hello, from, opening) {
        Ok((connection, state)) => {
            // Its own thread is the only one that writes until the outbox is opened.
            let state = State { state, peer_id: shared.peer_id };
            if let Err(error) = opening.say(true, &Message::State(state)) {
                leave(shared, &connection);
                return Err(error.into());
            }
            return Ok(connection);
        }
        Err(refused) => refused,
    };
    let state = State { state: Availability::Unavailable, peer_id: shared.peer_id };
    let answer = match &refused {
        Refused::Full | Refused::Duplicate | Refused::Stopping => Message::State(state),
        // Our own id in STATE is what tells the dialler that it called itself.
        Refused::Ourselves => Message::State(State { state: Availability::Connected, ..state }),
        Refused::UnknownContent(_) => error(404, &refused),
        Refused::Version(_) => error(426, &refused),
        _ => error(400, &refused),
    };
    opening.say(true, &answer)?;
    Err(refused)
}

fn error(code: u32, reason: &Refused) -> Message<'static> {
    Message::Error(ErrorMessage { code, message: reason.to_string() })
}

fn admit(
    shared: &Shared,
    hello: &Hello,
    from: SocketAddr,
    opening: &Opening,
) -> Result<(Arc<Connection>, Availability), Refused> {
    if hello.version != VERSION {
        return Err(Refused::Version(hello.version));
    }
    if hello.peer_id == shared.peer_id {
        return Err(Refused::Ourselves);
    }
    let torrent = shared.torrents.lock().get(&hello.info_hash.into()).cloned();
    let torrent = torrent.ok_or(Refused::UnknownContent(hello.info_hash.into()))?;
    let port = if hello.port == 0 { from.port() } else { hello.port };
    let address = SocketAddr::new(from.ip(), port);
    let stream = opening.stream.try_clone()?;
    let listens = hello.port != 0;
    let who = Who {
        peer_id: hello.peer_id,
        address,
        listens,
        dialled: false,
        source: from,
        named_by: Source::Caller,
    };
    let connection = enter(shared, &torrent, stream, who, Speech::Native)?;
    let free = torrent.picker.lock().has_free_slot(shared.clock.now());
    Ok((connection, if free { Availability::Available } else { Availability::Connected }))
}

/// Makes the connection known to the torrent, unless there is a better one to the same peer.
fn enter(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    stream: TcpStream,
    who: Who,
    speech: Speech,
) -> Result<Arc<Connection>, Refused> {
    stream.set_write_timeout(None)?;
    socket::set_patience(&stream, STALLED)?;
    socket::set_ahead(&stream, Ahead::default().bytes())?;
    let key = PeerKey(shared.next_key.fetch_add(1, Ordering::Relaxed));
    let link = Link { conn: key, peer: who.address, dialect: speech.dialect() };
    let connection = Arc::new(Connection {
        key,
        who,
        stream,
        outbox: Outbox::new(speech).traced(shared.tap(link, Way::Out)),
        torrent: torrent.clone(),
        uploaded: AtomicU64::new(0),
        since: shared.clock.now(),
        asked_for_peers: AtomicBool::new(false),
        speech,
        says_port: AtomicU16::new(0),
        leaving: AtomicBool::new(false),
        both_seed: AtomicBool::new(false),
        told: Mutex::new(HashSet::new()),
    });
    let mut peers = torrent.peers.lock();
    if shared.is_stopping() {
        return Err(Refused::Stopping);
    }
    if !torrent.stay.is_in() {
        return Err(Refused::UnknownContent(torrent.info_hash));
    }
    if peers.dialer.is_never(who.source) {
        return Err(Refused::Banned);
    }
    let old = make_room(shared, torrent, &mut peers, &connection)?;
    if who.listens {
        peers.dialer.on_connected(who.address, speech.dialect(), who.dialled);
    }
    shared.trace_connection(&connection);
    peers.connections.insert(connection.key, connection.clone());
    shared.connections.fetch_add(1, Ordering::AcqRel);
    drop(peers);
    if let Some(old) = old {
        let (old_address, address) = (old.who.address, connection.who.address);
        log::info!("{old_address}: let go for {address}: many are here from its network");
        shared.let_go(torrent, &[old]);
    }
    Ok(connection)
}

/// A connection that its torrent knows. When a panic ends its thread it is taken out again.
struct Entered<'a>(&'a Shared, Arc<Connection>);

impl Entered<'_> {
    /// Says what comes first.
    fn greet(self, opening: &Opening) -> Arc<Connection> {
        let Self(shared, connection) = &self;
        shared.guard.point("peer_enter");
        shared.trace_opening(connection, opening);
        say_what_we_have(shared, connection);
        connection.clone()
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Self(shared, connection) = self;
        if std::thread::panicking() {
            connection.shut();
            leave(shared, connection);
        }
    }
}

/// Takes the connection out of its torrent; what was asked on it is asked of others.
pub fn leave(shared: &Shared, connection: &Arc<Connection>) {
    let torrent = &connection.torrent;
    let now = shared.clock.now();
    let gave = torrent.picker.lock().given_by(connection.key);
    {
        let mut peers = torrent.peers.lock();
        if peers.connections.remove(&connection.key).is_none() {
            return;
        }
        if let Some(address) = connection.listens_at()
            && !peers.is_connected(address)
        {
            if connection.is_leaving() {
                peers.dialer.on_paused(now, address);
            } else if connection.both_seed.load(Ordering::Acquire) {
                peers.dialer.on_both_seed(now, address);
            } else if now.since(connection.since) >= OF_USE {
                peers.dialer.on_ended(now, address);
            } else if gave > 0 {
                peers.dialer.on_cut(now, address, gave);
            } else {
                peers.dialer.on_failed(now, address);
            }
        }
    }
    shared.connections.fetch_sub(1, Ordering::AcqRel);
    torrent.picker.lock().lines.remove(&connection.key);
    shared.decide(torrent, |swarm, now, out| swarm.on_left(now, connection.key, out));
}

/// Lets the connection in, or says why not; one that it replaces is shut. Gives the one that is to
/// be let go for it, which counts as gone already.
fn make_room(
    shared: &Shared,
    torrent: &Torrent,
    peers: &mut Peers,
    new: &Connection,
) -> Result<Option<Arc<Connection>>, Refused> {
    // Who was let go is as good as gone.
    let others = peers.connections.values().filter(|old| !old.is_leaving());
    let others: Vec<Line> = others.map(|old| line(old)).collect();
    let free = shared.room().min(torrent.max_peers().saturating_sub(others.len()));
    let room = Room { free, per_ip: shared.max_per_ip };
    match may_enter(shared.peer_id, &line(new), &others, room) {
        Entry::Enters => Ok(None),
        Entry::Replaces(old) => {
            peers.connections[&old].shut();
            Ok(None)
        }
        Entry::Duplicate(old) => {
            if new.who.dialled {
                peers.connections[&old].on_found_at(new.who.address);
            }
            Err(Refused::Duplicate)
        }
        Entry::Full => {
            // Who dialled has chosen; and an address that has its share has it here, too.
            let one = Room { free: 1, ..room };
            let may_push = may_enter(shared.peer_id, &line(new), &others, one) == Entry::Enters;
            if new.who.dialled || !may_push {
                return Err(Refused::Full);
            }
            let old = makes_way(new.who.source.ip(), &guests(shared, torrent, peers));
            let old = old.ok_or(Refused::Full)?;
            let old = peers.connections[&old].clone();
            old.leaving.store(true, Ordering::Release);
            old.listens_at().inspect(|&at| peers.dialer.on_let_go(shared.clock.now(), at));
            Ok(Some(old))
        }
    }
}

/// Those who are there, and whether one side serves the other: that it would is said by many.
fn guests(shared: &Shared, torrent: &Torrent, peers: &Peers) -> Vec<Guest> {
    let statuses = torrent.picker.lock().peers(shared.clock.now());
    let serving = statuses.iter().filter(|status| status.gives > 0 || status.takes > 0);
    let serving: HashSet<PeerKey> = serving.map(|status| status.peer).collect();
    let here = peers.connections.values().filter(|connection| !connection.is_leaving());
    here.map(|connection| Guest {
        key: connection.key,
        ip: connection.who.source.ip(),
        since: connection.since,
        busy: serving.contains(&connection.key),
    })
    .collect()
}

fn line(connection: &Connection) -> Line {
    let Who { peer_id, address, dialled, .. } = connection.who;
    Line { key: connection.key, peer_id, ip: address.ip(), dialled, since: connection.since }
}

/// The first word after the opening: everything, nothing, or a bitfield in parts. It is put into
/// the outbox under the picker's lock, so that no HAVE can come before it or fall between.
fn say_what_we_have(shared: &Shared, connection: &Arc<Connection>) {
    let now = shared.clock.now();
    let mut picker = connection.torrent.picker.lock();
    if connection.is_leaving() {
        // The torrent was paused since it came in: it has nothing to say but BYE.
        return shared.follow(connection, connection.outbox.open());
    }
    picker.lines.insert(connection.key, connection.clone());
    let dialect = connection.speech.dialect();
    picker.on_joined(now, connection.key, connection.who.source, dialect);
    if let Some(at) = connection.listens_at() {
        picker.on_listens(connection.key, at);
    }
    let first_word = picker.first_word(connection.key);
    first_word.messages(dialect).iter().for_each(|message| shared.say(connection, message));
    match dialect {
        Dialect::Native => {
            shared.say(connection, &Message::Ping(now.elapsed().as_micros() as u64));
        }
        Dialect::BitTorrent => {
            let wants_nothing = first_word == FirstWord::All || picker.is_partial_seed();
            shared.say(connection, &extensions::ours(shared, connection, wants_nothing));
        }
    }
    shared.follow(connection, connection.outbox.open());
    drop(picker);
    allow_fast(shared, connection);
}

/// A peer that has nothing yet gets a few pieces although it is choked, so that it has something to
/// trade (BEP 6). Which ones is a matter of its address, so that coming back gains nothing.
fn allow_fast(shared: &Shared, connection: &Arc<Connection>) {
    let Speech::BitTorrent(Codec { fast: true, pieces, .. }) = connection.speech else { return };
    let IpAddr::V4(ip) = connection.who.source.ip().to_canonical() else { return };
    let torrent = &connection.torrent;
    let hash = torrent.info_hash.short();
    let set = fast_set::allowed_fast(fast_set::SET_SIZE, pieces, hash, ip);
    shared.decide(torrent, |swarm, _, out| swarm.allow_fast(connection.key, &set, out));
}
