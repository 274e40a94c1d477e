//! The first words on a stream, with a deadline for all of them.
//!
//! ```text
//! native:      "SWP1" HELLO -------------------->        BitTorrent:  handshake ---------->
//!              <---------------- "SWP1" STATE                         <---------- handshake
//! ```
//! Whoever is called reads byte by byte which of the two it is. What fits neither may be an encrypted
//! opening ([`mse`]), which is answered so that the stream goes on in clear, if the caller can do
//! that; it has less time, because a client that tries encryption first then comes back without.
//! Anything else is closed at once. Until both sides know each other nothing is shared with other
//! threads, so these few messages are written by the thread that reads.

use crate::ids::{InfoHash, InfoHashV1, PeerId, Sha1Hash};
use crate::node::socket;
use crate::protocol::Malformed;
use crate::protocol::frame::PEER_MAGIC;
use crate::protocol::handshake::{self, Handshake};
use crate::protocol::message::{Availability, Hello, Message, State, VERSION};
use crate::protocol::mse::{self, Answer, Crypto, MseError, Progress};
use crate::protocol::reader::FrameBuffer;
use crate::protocol::speech::Speech;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long the whole opening may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a caller may take to agree that the stream goes on in clear.
const ENCRYPTED: Duration = Duration::from_secs(3);

/// How a stream may go on after an encrypted opening: no thread that reads or sends deciphers.
const IN_CLEAR: &[Crypto] = &[Crypto::Plain];

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(5);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody took the call.
    #[error("{0}")]
    NoCall(io::Error),
    /// The socket failed, or the other end left.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came was no message.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The opening was not finished in time.
    #[error("no complete opening in time")]
    Slow,
    /// The caller encrypts, and not as it should, or nothing but encrypted.
    #[error("{0}")]
    Encrypted(#[from] MseError),
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
    UnknownContent(InfoHash),
    /// It answers for another torrent than we asked for.
    #[error("it answers for {0}, which we did not ask for")]
    OtherContent(InfoHashV1),
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

impl Refused {
    /// Whether a peer answered us, though no connection came of it.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Told(_)
                | Self::OtherContent(_)
                | Self::Full
                | Self::Duplicate
        )
    }

    /// Whether somebody took the call who may speak the other dialect.
    pub fn is_misunderstanding(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Malformed(_) | Self::Slow | Self::NoHello)
    }
}

/// Who calls.
#[derive(Debug)]
pub enum Caller {
    /// In the native dialect.
    Native(Hello),
    /// In BitTorrent.
    BitTorrent(Handshake),
}

/// A stream on which the first words are read.
pub struct Opening {
    pub(super) stream: TcpStream,
    pub(super) buffer: FrameBuffer,
    deadline: Instant,
    /// When it is over, whatever is still to be said.
    end: Option<Instant>,
    /// When our first words were said, and when theirs came.
    pub(super) said: Instant,
    pub(super) heard: Instant,
    /// The other end's id, once it has answered.
    pub(super) peer_id: PeerId,
}

impl Opening {
    /// Somebody called.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let now = Instant::now();
        Ok(Self {
            stream,
            buffer: FrameBuffer::default(),
            deadline: now + PATIENCE,
            end: None,
            said: now,
            heard: now,
            peer_id: PeerId([0; 20]),
        })
    }

    fn to(address: SocketAddr, bind: Option<IpAddr>) -> Result<Self, Refused> {
        Ok(Self::new(socket::dial(address, bind, DIAL).map_err(Refused::NoCall)?)?)
    }

    /// Dials, says HELLO and waits for STATE.
    pub fn call(address: SocketAddr, bind: Option<IpAddr>, hello: Hello) -> Result<Self, Refused> {
        let own_id = hello.peer_id;
        let mut opening = Self::to(address, bind)?;
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

    /// Dials, shakes hands and gives the other's handshake; `accepted` are the names under which
    /// it may answer (a hybrid's caller says the v1 hash and may be answered with the v2 one).
    pub fn shake_hands(
        address: SocketAddr,
        bind: Option<IpAddr>,
        ours: &Handshake,
        accepted: &[InfoHashV1],
    ) -> Result<(Self, Handshake), Refused> {
        let mut opening = Self::to(address, bind)?;
        opening.say_handshake(ours)?;
        let theirs = opening.expect_handshake()?;
        if theirs.peer_id == ours.peer_id {
            return Err(Refused::Ourselves);
        }
        if !accepted.contains(&theirs.info_hash) {
            return Err(Refused::OtherContent(theirs.info_hash));
        }
        opening.peer_id = theirs.peer_id;
        Ok((opening, theirs))
    }

    /// Reads who calls, and in which dialect; `skeys` finds a torrent by its [`mse::skey_hash`].
    pub fn caller(
        &mut self,
        skeys: impl Fn(&Sha1Hash) -> Option<InfoHashV1>,
    ) -> Result<Caller, Refused> {
        loop {
            let pending = self.buffer.pending();
            let known = pending.len().min(PEER_MAGIC.len());
            let native = pending[..known] == PEER_MAGIC[..known];
            let bittorrent = handshake::fits(pending);
            if native && known == PEER_MAGIC.len() {
                break;
            }
            if !native && !bittorrent {
                self.decipher(&skeys)?;
            }
            if !native {
                return Ok(Caller::BitTorrent(self.expect_handshake()?));
            }
            self.read_more()?;
        }
        self.expect_magic()?;
        self.expect(|message| match message {
            Message::Hello(hello) => Ok(Caller::Native(hello)),
            _ => Err(Refused::NoHello),
        })
    }

    /// Answers an encrypted opening; what the caller says after it, in clear, is then to be read.
    fn decipher(
        &mut self,
        skeys: &impl Fn(&Sha1Hash) -> Option<InfoHashV1>,
    ) -> Result<(), Refused> {
        let whole = self.deadline;
        self.deadline = whole.min(Instant::now() + ENCRYPTED);
        loop {
            match mse::may_open(self.buffer.pending()) {
                Some(true) => break,
                Some(false) => return Err(Malformed::WrongMagic.into()),
                None => self.read_more()?,
            }
        }
        let mut answer = Answer::new(&mut fastrand::Rng::new(), IN_CLEAR);
        let opened = loop {
            match answer.on_bytes(self.buffer.take_all(), skeys)? {
                Progress::NeedMore => self.read_more()?,
                Progress::Send(bytes) => self.stream.write_all(&bytes)?,
                Progress::Done(opened) => break opened,
            }
        };
        self.stream.write_all(&opened.send)?;
        self.buffer = FrameBuffer::holding(&opened.received);
        self.deadline = whole;
        Ok(())
    }

    /// From now on no question moves the deadline beyond this.
    pub fn end_at(&mut self, end: Instant) {
        self.end = Some(end);
        self.deadline = self.deadline.min(end);
    }

    fn renew(&mut self) {
        let renewed = Instant::now() + PATIENCE;
        self.deadline = self.end.map_or(renewed, |end| renewed.min(end));
    }

    /// Says a message to a peer that answered; the deadline begins anew.
    pub fn ask(&mut self, message: &Message) -> Result<(), Refused> {
        self.renew();
        Ok(self.say(false, message)?)
    }

    /// Says something in the agreed speech; the deadline begins anew.
    pub fn ask_in(&mut self, speech: Speech, message: &Message) -> Result<(), Refused> {
        self.renew();
        let mut bytes = Vec::new();
        speech.put(message, &mut bytes);
        Ok(self.stream.write_all(&bytes)?)
    }

    /// Waits for a message in the agreed speech and gives it to `understand`; messages that are
    /// passed over come as `None`.
    pub fn hear_in<T>(
        &mut self,
        speech: Speech,
        understand: impl FnOnce(Option<Message>) -> T,
    ) -> Result<T, Refused> {
        loop {
            if let Some(message) = speech.next_message(&self.buffer)? {
                return Ok(understand(message));
            }
            self.read_more()?;
        }
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

    /// Waits for the native magic; closes at the first byte that does not fit.
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

    /// Waits for a BitTorrent handshake; closes at the first byte that does not fit.
    fn expect_handshake(&mut self) -> Result<Handshake, Refused> {
        loop {
            if !handshake::fits(self.buffer.pending()) {
                return Err(Malformed::WrongMagic.into());
            }
            if let Some(bytes) = self.buffer.take(handshake::LENGTH) {
                let bytes = bytes.try_into().expect("as many as were asked for");
                return Ok(Handshake::read(bytes)?);
            }
            self.read_more()?;
        }
    }

    /// Waits for a frame and gives its message to `understand`.
    fn expect<T>(
        &mut self,
        understand: impl FnOnce(Message) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.hear_in(Speech::Native, |message| match message {
            Some(Message::Error(error)) => Err(Refused::Told(error.message)),
            Some(message) => understand(message),
            None => Err(Refused::NoHello),
        })?
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
                self.heard = Instant::now();
                self.buffer.filled(count);
                Ok(())
            }
            Err(e) if is_timeout(&e) => Err(Refused::Slow),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Says a message of the native dialect.
    pub(super) fn say(&mut self, with_magic: bool, message: &Message) -> io::Result<()> {
        let mut bytes = if with_magic { PEER_MAGIC.to_vec() } else { Vec::new() };
        message.put(&mut bytes);
        self.said = Instant::now();
        self.stream.write_all(&bytes)
    }

    /// Says our BitTorrent handshake.
    pub(super) fn say_handshake(&mut self, ours: &Handshake) -> io::Result<()> {
        self.said = Instant::now();
        self.stream.write_all(&ours.to_bytes())
    }
}

/// Whether a read ended because its time was up.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
