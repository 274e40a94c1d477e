//! How a connection begins: who are you, which content, may you come in?
//!
//! ```text
//! dialler  --- "SWP1" HELLO ------------------------>  acceptor
//!          <-- "SWP1" STATE available | connected ---
//!          <-> BITFIELD | HAVE_ALL | HAVE_NONE <---->
//! ```
//! Until both sides know each other nothing is shared with other threads, so these few messages
//! are written by the thread that reads, with a deadline of ten seconds for all of it.

use crate::ids::{InfoHashV2, PeerId};
use crate::logic::PeerKey;
use crate::logic::dialer::survives;
use crate::logic::is_local;
use crate::node::outbox::Outbox;
use crate::node::shared::{Connection, Peers, Shared, Torrent, Who};
use crate::node::socket;
use crate::protocol::Malformed;
use crate::protocol::frame::PEER_MAGIC;
use crate::protocol::message::{
    Availability, BITFIELD_PART, ErrorMessage, Hello, Message, State, VERSION,
};
use crate::protocol::reader::FrameBuffer;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the whole opening may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(5);

/// A connection that lasted so long was worth a call.
const OF_USE: Duration = Duration::from_secs(10);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The socket failed, or the other end left.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came was no message.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The opening was not finished in time.
    #[error("no complete opening within {} s", HANDSHAKE.as_secs())]
    Slow,
    /// Another message came first.
    #[error("the first message is neither HELLO nor STATE")]
    NoHello,
    /// The other end says why it does not want us.
    #[error("refused: {0}")]
    Told(String),
    /// The other end has no room.
    #[error("the peer is unavailable: its connections are all taken")]
    Unavailable,
    /// We have no room.
    #[error("our connections are all taken")]
    Full,
    /// We called ourselves.
    #[error("this is ourselves")]
    Ourselves,
    /// It speaks of a torrent we do not have.
    #[error("unknown content {0}")]
    UnknownContent(InfoHashV2),
    /// It speaks another version.
    #[error("version {0} is not ours ({VERSION})")]
    Version(u32),
    /// The same peer is connected already.
    #[error("connected already")]
    Duplicate,
    /// It sent wrong bytes before.
    #[error("banned")]
    Banned,
    /// The node stops.
    #[error("stopping")]
    Stopping,
}

/// A stream on which frames are read with a deadline.
pub struct Opening {
    stream: TcpStream,
    buffer: FrameBuffer,
    deadline: Instant,
    /// The other end's id, once it has answered.
    peer_id: PeerId,
}

impl Opening {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(HANDSHAKE))?;
        let deadline = Instant::now() + HANDSHAKE;
        Ok(Self { stream, buffer: FrameBuffer::default(), deadline, peer_id: PeerId([0; 20]) })
    }

    /// Dials, says HELLO and waits for STATE.
    pub fn call(address: SocketAddr, bind: Option<IpAddr>, hello: Hello) -> Result<Self, Refused> {
        let own_id = hello.peer_id;
        let mut opening = Self::new(socket::dial(address, bind, DIAL)?)?;
        opening.say(true, &Message::Hello(hello))?;
        opening.expect_magic()?;
        opening.peer_id = opening.expect(|message| match message {
            Message::State(State { state: Availability::Unavailable, .. }) => {
                Err(Refused::Unavailable)
            }
            Message::State(state) => Ok(state.peer_id),
            _ => Err(Refused::NoHello),
        })?;
        if opening.peer_id == own_id { Err(Refused::Ourselves) } else { Ok(opening) }
    }

    /// Says a message to a peer that answered; the deadline begins anew.
    pub fn ask(&mut self, message: &Message) -> Result<(), Refused> {
        self.deadline = Instant::now() + HANDSHAKE;
        Ok(self.say(false, message)?)
    }

    /// Waits for METAINFO at `offset`, passing over what else is said, and appends its bytes.
    /// Gives the length in all and that of `info`.
    pub fn expect_metainfo(
        &mut self,
        offset: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<(u32, u32), Refused> {
        loop {
            let found = self.expect(|message| match message {
                Message::Metainfo { offset: at, total, info, data } if at == offset => {
                    bytes.extend_from_slice(data);
                    Ok(Some((total, info)))
                }
                _ => Ok(None),
            })?;
            if let Some(lengths) = found {
                return Ok(lengths);
            }
        }
    }

    /// Waits for the magic; closes at the first byte that does not fit.
    fn expect_magic(&mut self) -> Result<(), Refused> {
        loop {
            let pending = self.buffer.pending();
            let known = pending.len().min(PEER_MAGIC.len());
            if pending[..known] != PEER_MAGIC[..known] {
                return Err(Malformed::WrongMagic.into());
            }
            if self.buffer.take(PEER_MAGIC.len()).is_some() {
                return Ok(());
            }
            self.read_more()?;
        }
    }

    /// Waits for a frame and gives its message to `understand`.
    fn expect<T>(
        &mut self,
        understand: impl FnOnce(Message) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        loop {
            if let Some(frame) = self.buffer.next_frame()? {
                return match Message::read(&frame)? {
                    Some(Message::Error(error)) => Err(Refused::Told(error.message)),
                    Some(message) => understand(message),
                    None => Err(Refused::NoHello),
                };
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), Refused> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refused::Slow);
        }
        self.stream.set_read_timeout(Some(left))?;
        match self.stream.read(self.buffer.room()) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => {
                self.buffer.filled(count);
                Ok(())
            }
            Err(e) if is_timeout(&e) => Err(Refused::Slow),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn say(&mut self, with_magic: bool, message: &Message) -> io::Result<()> {
        let mut bytes = if with_magic { PEER_MAGIC.to_vec() } else { Vec::new() };
        message.put(&mut bytes);
        self.stream.write_all(&bytes)
    }
}

/// Whether a read ended because its time was up.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Calls a peer about a torrent.
pub fn dial(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    address: SocketAddr,
) -> Result<(Arc<Connection>, FrameBuffer), Refused> {
    let hello = Hello {
        version: VERSION,
        info_hash: torrent.info_hash,
        peer_id: shared.peer_id,
        port: shared.port,
        features: Vec::new(),
    };
    let mut opening = Opening::call(address, shared.bind, hello)?;
    let peer_id = opening.peer_id;
    let (stream, buffer) = (opening.stream.try_clone()?, std::mem::take(&mut opening.buffer));
    let who = Who { peer_id, address, listens: true, dialled: true, source: address };
    let connection = enter(shared, torrent, stream, who)?;
    say_what_we_have(shared, &connection);
    Ok((connection, buffer))
}

/// Answers a peer that called; `from` is where it called from.
pub fn answer(
    shared: &Shared,
    stream: TcpStream,
    from: SocketAddr,
) -> Result<(Arc<Connection>, FrameBuffer), Refused> {
    let mut opening = Opening::new(stream)?;
    opening.expect_magic()?;
    let hello = opening.expect(|message| match message {
        Message::Hello(hello) => Ok(hello),
        _ => Err(Refused::NoHello),
    })?;
    let refused = match admit(shared, &hello, from, &opening) {
        Ok((connection, state)) => {
            // Its own thread is the only one that writes until it has entered.
            let state = State { state, peer_id: shared.peer_id };
            if let Err(error) = opening.say(true, &Message::State(state)) {
                leave(shared, &connection);
                return Err(error.into());
            }
            say_what_we_have(shared, &connection);
            return Ok((connection, opening.buffer));
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
    let torrent = shared.torrents.lock().get(&hello.info_hash).cloned();
    let torrent = torrent.ok_or(Refused::UnknownContent(hello.info_hash))?;
    let port = if hello.port == 0 { from.port() } else { hello.port };
    let address = SocketAddr::new(from.ip(), port);
    let stream = opening.stream.try_clone()?;
    let listens = hello.port != 0;
    let who = Who { peer_id: hello.peer_id, address, listens, dialled: false, source: from };
    let connection = enter(shared, &torrent, stream, who)?;
    let free = torrent.picker.lock().has_free_slot();
    Ok((connection, if free { Availability::Available } else { Availability::Connected }))
}

/// Makes the connection known to the torrent, unless there is a better one to the same peer.
fn enter(
    shared: &Shared,
    torrent: &Arc<Torrent>,
    stream: TcpStream,
    who: Who,
) -> Result<Arc<Connection>, Refused> {
    stream.set_write_timeout(None)?;
    let connection = Arc::new(Connection {
        key: PeerKey(shared.next_key.fetch_add(1, Ordering::Relaxed)),
        who,
        stream,
        outbox: Outbox::default(),
        torrent: torrent.clone(),
        uploaded: AtomicU64::new(0),
        since: shared.clock.now(),
        asked_for_peers: AtomicBool::new(false),
    });
    let mut peers = torrent.peers.lock();
    if shared.is_stopping() || torrent.removed.load(Ordering::Acquire) {
        return Err(Refused::Stopping);
    }
    if peers.dialer.is_never(who.source) {
        return Err(Refused::Banned);
    }
    make_room(shared, &peers, &connection)?;
    if who.listens {
        peers.dialer.on_connected(who.address);
    }
    peers.connections.insert(connection.key, connection.clone());
    shared.connections.fetch_add(1, Ordering::AcqRel);
    Ok(connection)
}

/// Takes the connection out of its torrent; what was asked on it is asked of others.
pub fn leave(shared: &Shared, connection: &Arc<Connection>) {
    let torrent = &connection.torrent;
    let now = shared.clock.now();
    {
        let mut peers = torrent.peers.lock();
        if peers.connections.remove(&connection.key).is_none() {
            return;
        }
        let address = connection.who.address;
        if !peers.connections.values().any(|other| other.who.address == address) {
            if now.since(connection.since) >= OF_USE {
                peers.dialer.on_ended(now, address);
            } else {
                peers.dialer.on_failed(now, address);
            }
        }
    }
    shared.connections.fetch_sub(1, Ordering::AcqRel);
    torrent.picker.lock().lines.remove(&connection.key);
    shared.decide(torrent, |swarm, now, out| swarm.on_left(now, connection.key, out));
}

fn make_room(shared: &Shared, peers: &Peers, new: &Connection) -> Result<(), Refused> {
    let same = |c: &&Arc<Connection>| {
        c.who.peer_id == new.who.peer_id && c.who.address.ip() == new.who.address.ip()
    };
    if let Some(old) = peers.connections.values().find(same) {
        let crossed = old.who.dialled != new.who.dialled;
        if !crossed || !survives(shared.peer_id, new.who.peer_id, new.who.dialled) {
            return Err(Refused::Duplicate);
        }
        old.shut();
        return Ok(());
    }
    if shared.connections.load(Ordering::Acquire) >= shared.max_peers {
        return Err(Refused::Full);
    }
    let ip = new.who.address.ip();
    let from_there = peers.connections.values().filter(|c| c.who.address.ip() == ip).count();
    if shared.max_per_ip > 0 && from_there >= shared.max_per_ip && !is_local(ip) {
        return Err(Refused::Full);
    }
    Ok(())
}

/// The first word after the opening: everything, nothing, or a bitfield in parts. It is put into
/// the outbox under the picker's lock, so that no HAVE can come before it or fall between.
fn say_what_we_have(shared: &Shared, connection: &Arc<Connection>) {
    let now = shared.clock.now();
    let mut picker = connection.torrent.picker.lock();
    picker.lines.insert(connection.key, connection.clone());
    picker.on_joined(now, connection.key, connection.who.source);
    let have = picker.have();
    if have.is_full() {
        shared.say(connection, &Message::HaveAll);
    } else if have.is_empty() {
        shared.say(connection, &Message::HaveNone);
    } else {
        for (part, bits) in have.as_bytes().chunks(BITFIELD_PART).enumerate() {
            let first = (part * BITFIELD_PART * 8) as u32;
            shared.say(connection, &Message::Bitfield { first, bits });
        }
    }
    shared.say(connection, &Message::Ping(now.elapsed().as_micros() as u64));
    shared.follow(connection, connection.outbox.open());
}
