//! A peer of the grader's that has everything, and its manners: slow, lying, dying, choking.
//!
//! Messages and the time go in, what to do comes out: [`Seeder::on_frame`], [`Seeder::next`]. The
//! manners are what a question is about; in all else it keeps to PROTOCOL.md.

use super::paper::Content;
use crate::ids::{InfoHashV2, PeerId, Span};
use crate::protocol::frame::{Frame, PEER_MAGIC};
use crate::protocol::message::{Availability, ErrorMessage, MAX_CHUNK, Message, State};
use std::collections::VecDeque;
use std::time::Duration;

/// The most requests that wait.
const MOST_WAITING: usize = 512;

/// How a seeder behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// It sends byte by byte.
    pub splits: bool,
    /// Every chunk has one wrong byte.
    pub lies: bool,
    /// After so many chunks it dies in the middle of the next.
    pub dies_after: Option<u32>,
    /// How long whoever is interested waits for UNCHOKE.
    pub waits: Duration,
    /// After so many chunks it chokes once, for [`Manner::chokes_for`].
    pub chokes_after: Option<u32>,
    /// How long it chokes.
    pub chokes_for: Duration,
    /// The time that each request takes.
    pub pace: Duration,
}

/// What is to be done with the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes, which are whole frames, perhaps behind the magic.
    Send(Vec<u8>),
    /// Send these bytes, which are the beginning of a frame, and close without a word.
    Die(Vec<u8>),
    /// Close.
    Close,
}

/// One connection of a seeder.
#[derive(Debug)]
pub struct Seeder {
    manner: Manner,
    id: PeerId,
    /// What it is called by; a liar about the metainfo answers to the true hash.
    name: InfoHashV2,
    is_open: bool,
    serves: bool,
    unchokes_at: Option<Duration>,
    wanted: VecDeque<Span>,
    ready_at: Duration,
    chunks: u32,
    has_choked: bool,
    steps: VecDeque<Step>,
}

impl Seeder {
    /// A seeder that is called by this hash.
    pub fn new(name: InfoHashV2, id: PeerId, manner: Manner) -> Self {
        Self {
            manner,
            id,
            name,
            is_open: false,
            serves: false,
            unchokes_at: None,
            wanted: VecDeque::new(),
            ready_at: Duration::ZERO,
            chunks: 0,
            has_choked: false,
            steps: VecDeque::new(),
        }
    }

    /// A frame came; what it says is understood, or the connection ends.
    pub fn on_frame(&mut self, now: Duration, frame: &Frame<'_>, content: &Content) {
        match Message::read(frame) {
            Ok(Some(message)) if self.is_open => self.on_message(now, &message, content),
            Ok(Some(Message::Hello(hello))) => {
                if hello.info_hash != self.name {
                    return self.refuse(404, "unknown content");
                }
                self.is_open = true;
                let mut out = PEER_MAGIC.to_vec();
                let state = State { state: Availability::Available, peer_id: self.id };
                Message::State(state).put(&mut out);
                Message::HaveAll.put(&mut out);
                Message::Ping(1).put(&mut out);
                self.steps.push_back(Step::Send(out));
            }
            Ok(None) if self.is_open => {} // not known, and passed over
            Ok(_) => self.refuse(400, "a HELLO was expected"),
            Err(why) => self.refuse(400, &why.to_string()),
        }
    }

    fn on_message(&mut self, now: Duration, message: &Message<'_>, content: &Content) {
        match message {
            Message::Interested => {
                if !self.serves {
                    self.unchokes_at.get_or_insert(now + self.manner.waits);
                }
            }
            Message::NotInterested => self.wanted.clear(),
            &Message::Get(span) => {
                let is_wrong = content.slice(span).is_none_or(<[u8]>::is_empty)
                    || !span.offset.is_multiple_of(crate::geometry::BLOCK_LEN);
                if is_wrong {
                    self.refuse(400, "a GET that leaves its piece");
                } else if !self.serves || self.wanted.len() >= MOST_WAITING {
                    self.say(&Message::Reject(span));
                } else {
                    if self.wanted.is_empty() {
                        self.ready_at = now + self.manner.pace;
                    }
                    self.wanted.push_back(span);
                }
            }
            Message::Cancel(span) => self.wanted.retain(|wanted| wanted != span),
            &Message::Ping(number) => self.say(&Message::Pong(number)),
            Message::GetCount => self.say(&Message::ChunkCount(content.pieces())),
            &Message::GetMetainfo { offset, length } => {
                let bytes = content.meta.exchange_bytes();
                let start = (offset as usize).min(bytes.len());
                let end = (start + length.min(MAX_CHUNK) as usize).min(bytes.len());
                let (total, info) = (bytes.len() as u32, content.meta.info.len() as u32);
                self.say(&Message::Metainfo { offset, total, info, data: &bytes[start..end] });
            }
            Message::GetHashes(range) => {
                let is_ours = Some(range.root) == content.meta.files[0].root && range.base == 0;
                let hashes = content.leaf_hashes(range.index, range.count).filter(|_| is_ours);
                if let Some(hashes) = hashes {
                    self.say(&Message::Hashes(*range, &hashes));
                }
            }
            Message::Peers => self.say(&Message::PeerList(Vec::new())),
            Message::Bye | Message::Error(_) => self.steps.push_back(Step::Close),
            Message::Hello(_) => self.refuse(400, "a second HELLO"),
            _ => {}
        }
    }

    /// What is to be done now, if anything is.
    pub fn next(&mut self, now: Duration, content: &Content) -> Option<Step> {
        if self.unchokes_at.is_some_and(|at| at <= now) {
            self.unchokes_at = None;
            self.serves = true;
            self.say(&Message::Unchoke);
        }
        if self.steps.is_empty()
            && self.ready_at <= now
            && let Some(span) = self.wanted.pop_front()
        {
            self.ready_at = now + self.manner.pace;
            self.serve(now, span, content);
        }
        self.steps.pop_front()
    }

    /// Whether it does so byte by byte.
    pub fn splits(&self) -> bool {
        self.manner.splits
    }

    fn serve(&mut self, now: Duration, span: Span, content: &Content) {
        let bytes = content.slice(span).expect("it was looked at when it was asked for");
        for (at, part) in bytes.chunks(MAX_CHUNK as usize).enumerate() {
            let mut part = part.to_vec();
            if self.manner.lies {
                part[0] ^= 1;
            }
            let offset = span.offset + at as u32 * MAX_CHUNK;
            let message = Message::Chunk { piece: span.piece, offset, data: &part };
            if self.manner.dies_after == Some(self.chunks) {
                let mut bytes = message.to_bytes();
                bytes.truncate(bytes.len() / 2);
                self.steps.push_back(Step::Die(bytes));
                return;
            }
            self.chunks += 1;
            self.say(&message);
        }
        if self.manner.chokes_after.is_some_and(|most| self.chunks >= most) && !self.has_choked {
            (self.has_choked, self.serves) = (true, false);
            self.wanted.clear();
            self.unchokes_at = Some(now + self.manner.chokes_for);
            self.say(&Message::Choke);
        }
    }

    fn say(&mut self, message: &Message<'_>) {
        self.steps.push_back(Step::Send(message.to_bytes()));
    }

    fn refuse(&mut self, code: u32, message: &str) {
        let mut out = if self.is_open { Vec::new() } else { PEER_MAGIC.to_vec() };
        Message::Error(ErrorMessage { code, message: message.to_owned() }).put(&mut out);
        self.steps.push_back(Step::Send(out));
        self.steps.push_back(Step::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;
    use crate::ids::PieceIndex;
    use crate::protocol::message::{Hello, VERSION};

    const START: Duration = Duration::ZERO;

    struct Talk {
        content: Content,
        seeder: Seeder,
    }

    impl Talk {
        fn new(manner: Manner) -> Self {
            let content = Paper::new("x").content("talk", 4, 32 * 1024);
            let seeder = Seeder::new(content.hash(), PeerId([7; 20]), manner);
            let mut talk = Self { content, seeder };
            let hello = Hello {
                version: VERSION,
                info_hash: talk.content.hash(),
                peer_id: PeerId([8; 20]),
                port: 1,
                features: Vec::new(),
            };
            talk.hear(START, &Message::Hello(hello));
            assert!(matches!(talk.next(START).as_deref(), Some([b'S', b'W', ..])));
            talk
        }

        fn hear(&mut self, now: Duration, message: &Message<'_>) {
            let bytes = message.to_bytes();
            let (frame, _) = Frame::first_in(&bytes).expect("a frame").expect("whole");
            self.seeder.on_frame(now, &frame, &self.content);
        }

        fn next(&mut self, now: Duration) -> Option<Vec<u8>> {
            match self.seeder.next(now, &self.content) {
                Some(Step::Send(bytes) | Step::Die(bytes)) => Some(bytes),
                Some(Step::Close) => Some(Vec::new()),
                None => None,
            }
        }
    }

    #[test]
    fn nobody_is_served_before_its_unchoke() {
        let later = Duration::from_millis(300);
        let mut talk = Talk::new(Manner { waits: later, ..Manner::default() });
        let span = talk.content.piece(1);
        talk.hear(START, &Message::Get(span));
        assert_eq!(talk.next(START), Some(Message::Reject(span).to_bytes()));
        talk.hear(START, &Message::Interested);
        assert_eq!(talk.next(START), None);
        assert_eq!(talk.next(later), Some(Message::Unchoke.to_bytes()));
        talk.hear(later, &Message::Get(span));
        let data = talk.content.slice(span).expect("a piece").to_vec();
        let chunk = Message::Chunk { piece: PieceIndex(1), offset: 0, data: &data };
        assert_eq!(talk.next(later), Some(chunk.to_bytes()));
    }

    #[test]
    fn a_liar_lies_and_who_is_to_die_dies_inside_a_frame() {
        let mut talk = Talk::new(Manner { lies: true, dies_after: Some(1), ..Manner::default() });
        talk.hear(START, &Message::Interested);
        talk.next(START);
        for piece in 0..2 {
            let span = talk.content.piece(piece);
            talk.hear(START, &Message::Get(span));
        }
        let span = talk.content.piece(0);
        let mut data = talk.content.slice(span).expect("a piece").to_vec();
        data[0] ^= 1;
        let chunk = Message::Chunk { piece: PieceIndex(0), offset: 0, data: &data };
        assert_eq!(talk.next(START), Some(chunk.to_bytes()));
        let step = talk.seeder.next(START, &talk.content);
        assert!(matches!(step, Some(Step::Die(bytes)) if bytes.len() < data.len()));
    }

    #[test]
    fn what_leaves_its_piece_or_comes_before_hello_ends_the_connection() {
        let mut talk = Talk::new(Manner::default());
        let span = Span { piece: PieceIndex(4), offset: 0, length: 1 };
        talk.hear(START, &Message::Get(span));
        assert!(talk.next(START).is_some_and(|bytes| bytes[4] == 0x3a));
        assert_eq!(talk.next(START), Some(Vec::new()));
        let mut early = Seeder::new(talk.content.hash(), PeerId([7; 20]), Manner::default());
        let bytes = Message::Interested.to_bytes();
        let (frame, _) = Frame::first_in(&bytes).expect("a frame").expect("whole");
        early.on_frame(START, &frame, &talk.content);
        assert!(matches!(early.next(START, &talk.content), Some(Step::Send(_))));
        assert_eq!(early.next(START, &talk.content), Some(Step::Close));
    }
}
