//! `lab nc`: messages of the native dialect, typed by hand.
//!
//! ```text
//! stdin ---> thread `typed` ---\
//!                               >--- main: what is sent and received, in words and in bytes
//! socket --> thread `heard` ---/
//! ```
//! What was typed is not sent twice and not waited for: answers are printed as they come.

use super::super::args::NcArgs;
use super::super::console::line::words;
use super::super::env::Env;
use super::super::exit::{CliError, Exit, cause};
use super::super::{print, style};
use crate::lab::spoken::{Half, Spoken, dump};
use crate::lab::typed::{Typed, Typist};
use crate::protocol::frame::{Frame, MAX_DATAGRAM, PEER_MAGIC, TRACKER_MAGIC};
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);

/// Rows of sixteen bytes that are shown of one message.
const ROWS: usize = 12;

/// The longest line that is typed.
const LONGEST_LINE: u64 = 1 << 20;

/// Lines and bytes that wait to be looked at.
const WAITING: usize = 64;

/// What comes from the other side.
enum Heard {
    Bytes(Vec<u8>),
    Over(String),
}

/// One side of the conversation as bytes.
enum Socket {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

/// Talks until stdin or the other side ends.
pub fn nc(args: &NcArgs, env: &Env) -> Result<(), CliError> {
    let at = resolve(&args.at)?;
    let half = if args.tracker || args.udp { Half::Tracker } else { Half::Peer };
    let socket = open(at, args.udp)?;
    let heard = listen(&socket).map_err(|why| failed(at, &why))?;
    if io::stdin().is_terminal() {
        let _ = env.screen.line("help lists the messages, quit ends; both sides' bytes are shown");
    }
    let mut talk = Talk {
        env,
        half,
        socket,
        typist: Typist::new(half),
        buffer: Vec::new(),
        has_magic: half == Half::Tracker,
        sent: 0,
        received: 0,
        at,
    };
    if !args.udp && !args.no_magic {
        let magic = if half == Half::Peer { PEER_MAGIC } else { TRACKER_MAGIC };
        talk.send("the magic", &magic)?;
    }
    talk.run(&read_stdin()?, &heard, args.wait())
}

/// The conversation.
struct Talk<'a> {
    env: &'a Env,
    half: Half,
    socket: Socket,
    typist: Typist,
    /// What was received and not yet understood.
    buffer: Vec<u8>,
    /// Whether the other side's magic came, where one comes.
    has_magic: bool,
    sent: u64,
    received: u64,
    at: SocketAddr,
}

impl Talk<'_> {
    fn run(
        &mut self,
        typed: &Receiver<String>,
        heard: &Receiver<Heard>,
        wait: Duration,
    ) -> Result<(), CliError> {
        let nobody = never();
        let mut lines = typed;
        let mut pause: Option<Instant> = None;
        let mut end: Option<Instant> = None;
        loop {
            let next = [pause, end].into_iter().flatten().min();
            let left = next
                .map_or(Duration::from_hours(1), |at| at.saturating_duration_since(Instant::now()));
            let lines_now = if pause.is_some() { &nobody } else { lines };
            select! {
                recv(lines_now) -> line => if let Ok(line) = line {
                    match self.on_line(&line)? {
                        Typed::Quit => return Ok(()),
                        Typed::Wait(time) => pause = Some(Instant::now() + time),
                        _ => {}
                    }
                } else {
                    lines = &nobody;
                    end = Some(Instant::now() + wait);
                },
                recv(heard) -> what => match what {
                    Ok(Heard::Bytes(bytes)) => self.on_bytes(&bytes)?,
                    Ok(Heard::Over(why)) => return self.say(&format!("{why}\n")),
                    Err(_) => return Ok(()),
                },
                default(left) => {}
            }
            pause = pause.filter(|&at| at > Instant::now());
            if end.is_some_and(|at| at <= Instant::now()) {
                return Ok(());
            }
        }
    }

    /// Does what a line says; a mistake is printed and nothing is sent.
    fn on_line(&mut self, line: &str) -> Result<Typed, CliError> {
        let typed = words(line).and_then(|words| self.typist.on_line(&words));
        match typed {
            Err(why) => {
                // A closed stderr stops no conversation.
                let _ = self.env.screen.line(&format!("lab nc: {}", style::printable(&why)));
                return Ok(Typed::Nothing);
            }
            Ok(Typed::Text(text)) => self.say(&text)?,
            Ok(Typed::Raw(bytes)) => self.send("bytes", &bytes)?,
            Ok(Typed::Message(spoken)) => {
                let is_stream = matches!(self.socket, Socket::Stream(_));
                let bytes = if is_stream { spoken.frame() } else { spoken.datagram() };
                self.send(&spoken.text(self.half), &bytes)?;
            }
            Ok(other) => return Ok(other),
        }
        Ok(Typed::Nothing)
    }

    fn send(&mut self, what: &str, bytes: &[u8]) -> Result<(), CliError> {
        let offset = self.offset(self.sent);
        self.say(&format!("> {what}\n{}", dump(bytes, offset, ROWS)))?;
        self.sent += bytes.len() as u64;
        let sent = match &mut self.socket {
            Socket::Stream(stream) => stream.write_all(bytes),
            Socket::Datagrams(socket) => socket.send(bytes).map(drop),
        };
        sent.map_err(|why| failed(self.at, &why))
    }

    /// Where a message stands: in a stream; a datagram begins at 0.
    fn offset(&self, count: u64) -> u64 {
        if matches!(self.socket, Socket::Stream(_)) { count } else { 0 }
    }

    fn on_bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        if let Socket::Datagrams(_) = self.socket {
            let text = match Frame::from_datagram(bytes) {
                Ok(frame) => self.understand(&frame),
                Err(why) => format!("{} bytes: {why}", bytes.len()),
            };
            return self.say(&format!("< {text}\n{}", dump(bytes, 0, ROWS)));
        }
        self.buffer.extend_from_slice(bytes);
        if !self.has_magic {
            if self.buffer.len() < 4 && PEER_MAGIC.starts_with(&self.buffer) {
                return Ok(());
            }
            if !self.buffer.starts_with(&PEER_MAGIC) {
                return self.give_up("bytes that are no magic");
            }
            self.has_magic = true;
            self.received(4, "the magic")?;
        }
        loop {
            let (text, length) = match Frame::first_in(&self.buffer) {
                Ok(None) => return Ok(()),
                Ok(Some((frame, length))) => {
                    let spoken = Spoken::of_frame(&frame);
                    if let Ok(spoken) = &spoken {
                        self.typist.on_received(spoken);
                    }
                    (spoken.map_or_else(|why| why, |spoken| spoken.text(self.half)), length)
                }
                Err(why) => return self.give_up(&format!("bytes that are no frame: {why}")),
            };
            self.received(length, &text)?;
        }
    }

    fn understand(&mut self, frame: &Frame<'_>) -> String {
        match Spoken::of_frame(frame) {
            Ok(spoken) => {
                self.typist.on_received(&spoken);
                spoken.text(self.half)
            }
            Err(why) => why,
        }
    }

    /// Prints and forgets the first bytes of what was received.
    fn received(&mut self, length: usize, text: &str) -> Result<(), CliError> {
        let rest = self.buffer.split_off(length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let offset = self.received;
        self.received += length as u64;
        self.say(&format!("< {text}\n{}", dump(&bytes, offset, ROWS)))
    }

    /// Prints all that was received as it is: from here on no frame can be found.
    fn give_up(&mut self, text: &str) -> Result<(), CliError> {
        let length = self.buffer.len();
        self.received(length, text)
    }

    fn say(&self, text: &str) -> Result<(), CliError> {
        let lines = text.lines().map(style::printable);
        print(self.env, &lines.fold(String::new(), |all, line| all + &line + "\n"))
    }
}

fn resolve(text: &str) -> Result<SocketAddr, CliError> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        CliError::new(Exit::NoAnswer, format!("{text} is unknown: is the host right?"))
    })
}

fn open(at: SocketAddr, udp: bool) -> Result<Socket, CliError> {
    let opened = if udp {
        let own: SocketAddr = match at {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        UdpSocket::bind(own).and_then(|socket| {
            socket.connect(at)?;
            Ok(Socket::Datagrams(socket))
        })
    } else {
        TcpStream::connect_timeout(&at, CONNECTING).map(Socket::Stream)
    };
    opened.map_err(|why| failed(at, &why))
}

fn failed(at: SocketAddr, why: &io::Error) -> CliError {
    CliError::new(
        Exit::NoAnswer,
        format!("{at} does not answer ({}): who listens there?", cause(why)),
    )
}

/// Reads the socket on a thread of its own, which ends with the connection or the program.
fn listen(socket: &Socket) -> io::Result<Receiver<Heard>> {
    let (sender, heard) = bounded(WAITING);
    let builder = Builder::new().name("heard".into());
    match socket {
        Socket::Stream(stream) => {
            let stream = stream.try_clone()?;
            builder.spawn(move || hear_stream(stream, &sender))?;
        }
        Socket::Datagrams(socket) => {
            let socket = socket.try_clone()?;
            builder.spawn(move || hear_datagrams(&socket, &sender))?;
        }
    }
    Ok(heard)
}

fn hear_stream(mut stream: TcpStream, sender: &Sender<Heard>) {
    let mut room = [0; 16_384];
    loop {
        let said = match stream.read(&mut room) {
            Ok(0) => Heard::Over("the other side closed the connection".into()),
            Ok(count) => Heard::Bytes(room[..count].to_vec()),
            Err(why) => Heard::Over(format!("the connection is lost: {}", cause(&why))),
        };
        let is_over = matches!(said, Heard::Over(_));
        if sender.send(said).is_err() || is_over {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn hear_datagrams(socket: &UdpSocket, sender: &Sender<Heard>) {
    let mut room = [0; 2 * MAX_DATAGRAM];
    loop {
        let said = match socket.recv(&mut room) {
            Ok(count) => Heard::Bytes(room[..count].to_vec()),
            Err(why) => Heard::Over(format!("nobody listens there: {}", cause(&why))),
        };
        let is_over = matches!(said, Heard::Over(_));
        if sender.send(said).is_err() || is_over {
            return;
        }
    }
}

/// Reads stdin on a thread of its own; the channel closes with it.
fn read_stdin() -> Result<Receiver<String>, CliError> {
    let (sender, lines) = bounded(WAITING);
    let read = move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match (&mut stdin).take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(String::from_utf8_lossy(&line).into_owned()).is_ok() => {}
                _ => return,
            }
        }
    };
    Builder::new()
        .name("typed".into())
        .spawn(read)
        .map(|_| lines)
        .map_err(|why| CliError::new(Exit::Failed, format!("no thread to start: {why}")))
}
