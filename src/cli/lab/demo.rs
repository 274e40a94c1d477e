//! `lab demo`: a swarm of real processes, to be watched and steered in a browser.
//!
//! ```text
//! this process: tracker with its pages  <-- orders, sayings -->  Show: cast, figures
//!                                                                  | starts, stops, RPC
//! one process each: seeder, peer 1, peer 2, ..                   Child
//! ```
//! Whatever ends it (Ctrl-C, an error, a panic), no process is left, and no temporary folder.

use super::super::args::DemoArgs;
use super::super::env::Env;
use super::super::exit::{CliError, Exit};
use super::super::logging::{self, LogArgs};
use super::super::progress::Mode;
use super::super::{print, signals, style};
use super::beside;
use super::cast::{Cast, Saying, Stage};
use super::child::Running;
use super::folder::Folder;
use super::order::{ACTIONS, deed};
use crate::control::secret;
use crate::tracker::controls::{Controls, Narrator, Order};
use crate::tracker::{Stopper, Tracker, TrackerError, TrackerOptions};
use crossbeam_channel::{Receiver, bounded, select};
use signals::Stop;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Orders that wait: a page that gives more is told to try again.
const ORDERS: usize = 16;

/// How often the show is looked at, and its line drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// How often a line is printed where none can be drawn over.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How long the show has for ending in good order; its peers have four seconds of that.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer says that it is there as often as a page is told, and who is killed is missed soon.
const KEEPALIVE: Duration = Duration::from_secs(1);
const EXPIRE: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs the show until somebody ends it.
pub fn demo(args: &DemoArgs, env: &Env) -> Result<(), CliError> {
    let log = LogArgs { quiet: args.quiet, ..LogArgs::default() };
    logging::init(&log, env.rust_log.as_deref(), &env.screen)?;
    let program = beside("peer")?;
    let (hall, narrator, orders) = Hall::open(args.listen())?;
    let folder = Folder::open(args.dir.as_deref())?;
    let running = Running::default();
    let signals = watch(&running, &folder)?;
    let stage = Stage {
        program,
        tracker: reachable(hall.address),
        folder: folder.path().to_owned(),
        file: folder.make_file(args.size(), args.peers())?,
        size: args.size(),
        peer_rate: args.peer_rate(),
    };
    let page = reachable(hall.address);
    print(env, &format!("open http://{page}/swarm-view\n"))?;
    let mut show = Show {
        env,
        mode: env.mode(args.quiet),
        narrator,
        begun: Instant::now(),
        next_line: Instant::now() + TICK,
        was_whole: false,
        cast: Cast::new(stage, running),
    };
    let ran = show.run(args, &Wires { signals, orders, over: hall.over.clone() });
    show.end();
    drop(show);
    hall.close();
    if folder.is_kept() && !args.quiet {
        let _ = env.screen.line(&format!("files and logs are in {}", folder.path().display()));
    }
    ran
}

/// The tracker at work, on a thread of its own.
struct Hall {
    address: SocketAddr,
    stopper: Stopper,
    /// How it ended, if it did so by itself.
    over: Receiver<Result<(), TrackerError>>,
    thread: JoinHandle<()>,
}

impl Hall {
    fn open(listen: SocketAddr) -> Result<(Self, Narrator, Receiver<Order>), CliError> {
        let mut tracker = Tracker::bind(TrackerOptions {
            listen,
            keepalive: KEEPALIVE,
            expire: EXPIRE,
            interval: INTERVAL,
            dashboard: true,
            ..TrackerOptions::default()
        })?;
        let token = secret::token().map_err(|why| failed("no randomness for a token", &why))?;
        let (sender, orders) = bounded(ORDERS);
        let controls = Controls { token, actions: ACTIONS, orders: sender };
        let narrator = tracker.take_orders(controls);
        let (address, stopper) = (tracker.local_addr(), tracker.stopper());
        // One message: how it ended.
        let (ended, over) = bounded(1);
        let run = move || {
            let _ = ended.send(tracker.run());
        };
        let thread = Builder::new().name("demo-tracker".into()).spawn(run);
        let thread = thread.map_err(|why| failed("no thread to start", &why))?;
        Ok((Self { address, stopper, over, thread }, narrator, orders))
    }

    fn close(self) {
        self.stopper.stop();
        // It ends by a panic only, which has been reported.
        let _ = self.thread.join();
    }
}

/// What the show hears besides its peers.
struct Wires {
    signals: Receiver<Stop>,
    orders: Receiver<Order>,
    over: Receiver<Result<(), TrackerError>>,
}

/// The show.
struct Show<'a> {
    env: &'a Env,
    mode: Mode,
    narrator: Narrator,
    begun: Instant,
    next_line: Instant,
    was_whole: bool,
    cast: Cast,
}

impl Show<'_> {
    /// Starts all peers, and does what is ordered until somebody ends it.
    fn run(&mut self, args: &DemoArgs, wires: &Wires) -> Result<(), CliError> {
        self.cast.seed(args.seed_rate())?;
        for _ in 0..args.peers() {
            self.cast.add()?;
        }
        let news = self.cast.news();
        loop {
            select! {
                recv(wires.signals) -> _ => return Ok(()),
                recv(wires.over) -> how => {
                    let ended = how.unwrap_or(Ok(())); // without a word by a panic only
                    ended?;
                    return Err(CliError::new(Exit::Failed, "the tracker ended: this is a bug"));
                }
                recv(wires.orders) -> order => {
                    if let Ok(order) = order {
                        self.obey(&order);
                    }
                }
                recv(news) -> news => {
                    if let Ok(news) = news
                        && let Some(saying) = self.cast.on_news(news)
                    {
                        self.say(&saying);
                    }
                }
                default(TICK) => {}
            }
            self.look();
        }
    }

    fn obey(&mut self, order: &Order) {
        let went = deed(order).and_then(|deed| self.cast.on_deed(deed));
        self.say(&Saying::news(went.unwrap_or_else(|why| format!("not done: {why}"))));
    }

    /// Says something on the page and on the terminal.
    fn say(&self, saying: &Saying) {
        self.narrator.say(&saying.text);
        if saying.is_trouble || self.mode != Mode::Silent {
            // A closed stderr stops no show.
            let _ = self.env.screen.line(&format!("lab: {}", style::printable(&saying.text)));
        }
    }

    /// Looks at how things stand.
    fn look(&mut self) {
        let now = Instant::now();
        self.cast.on_tick(now);
        let figures = self.cast.figures();
        let time = now - self.begun;
        if figures.is_whole() && !self.was_whole {
            let text = format!("everybody has everything after {:.1} s", time.as_secs_f64());
            self.say(&Saying::news(format!("{text}; the show goes on until Ctrl-C")));
        }
        self.was_whole = figures.is_whole();
        if now < self.next_line {
            return;
        }
        let line = figures.line(time);
        // A closed stderr stops no show.
        let _ = match self.mode {
            Mode::Terminal(terminal) => {
                self.next_line = now + TICK;
                self.env.screen.draw(vec![style::cut(&line, terminal.width)])
            }
            Mode::Plain if !figures.is_whole() => {
                self.next_line = now + LINE_EVERY;
                self.env.screen.line(&line)
            }
            _ => Ok(()),
        };
    }

    /// Ends all peers.
    fn end(&mut self) {
        self.env.screen.settle();
        self.cast.end();
    }
}

/// Ctrl-C, SIGTERM and a closed terminal end the show; whoever cannot wait for the goodbyes leaves
/// no process behind either.
fn watch(running: &Running, folder: &Folder) -> Result<Receiver<Stop>, CliError> {
    let (running, path) = (running.clone(), folder.path().to_owned());
    let is_kept = folder.is_kept();
    let last_deed = move || {
        running.kill();
        if !is_kept {
            let _ = std::fs::remove_dir_all(&path);
        }
    };
    signals::watch_also_hangup(PATIENCE, last_deed)
        .map_err(|why| failed("cannot watch for signals", &why))
}

/// Where this machine reaches what listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn failed(what: &str, why: &std::io::Error) -> CliError {
    CliError::new(Exit::Failed, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_reached_on_the_loopback() {
        let check = |listen: &str, expected: &str| {
            let at = reachable(listen.parse().expect("an address"));
            assert_eq!(at.to_string(), expected);
        };
        check("127.0.0.2:1", "127.0.0.2:1");
        check("0.0.0.0:6969", "127.0.0.1:6969");
        check("[::]:6969", "[::1]:6969");
    }
}
