//! What people look at: stderr, with a block of progress lines at its end.
//!
//! ```text
//! WARN a peer sent a piece that is wrong     <- lines scroll up as on any terminal
//! big.zip  42%  ...                          <- the block, drawn anew in place
//! small.zip  done                            <-
//! ```
//! A line that is printed pushes the block down, and the screen is never cleared. A [`Screen`] is
//! a handle: the log holds one too, so that its lines never run into the progress.

use super::style::printable;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

/// A shared handle on stderr; also a [`Write`], which passes on whole lines.
#[derive(Clone)]
pub struct Screen(Arc<Mutex<Inner>>);

struct Inner {
    out: Box<dyn Write + Send>,
    /// The lines of the block as they stand on the terminal.
    block: Vec<String>,
    /// What was written and has no end of line yet.
    unfinished: Vec<u8>,
}

impl Screen {
    /// A screen over `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Inner { out, block: Vec::new(), unfinished: Vec::new() })))
    }

    /// A screen that shows nothing.
    pub fn silent() -> Self {
        Self::new(Box::new(io::sink()))
    }

    /// Prints one line above the block.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.0.lock().print(format!("{text}\n").as_bytes())
    }

    /// Draws the block anew; every line must fit the terminal's width.
    pub fn draw(&self, lines: Vec<String>) -> io::Result<()> {
        let mut inner = self.0.lock();
        let mut text = up(inner.block.len());
        for line in &lines {
            let _ = writeln!(text, "\x1b[2K{line}");
        }
        if lines.len() < inner.block.len() {
            // From the cursor down: what is left of a longer block.
            text.push_str("\x1b[J");
        }
        inner.block = lines;
        inner.send(text.as_bytes())
    }

    /// Leaves the block where it is, as text: the next one is drawn below it.
    pub fn settle(&self) {
        self.0.lock().block.clear();
    }

    /// Takes the block away.
    pub fn erase(&self) -> io::Result<()> {
        self.draw(Vec::new())
    }
}

impl Inner {
    fn print(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.block.is_empty() {
            return self.send(lines);
        }
        let mut bytes = (up(self.block.len()) + "\x1b[J").into_bytes();
        bytes.extend_from_slice(lines);
        for line in &self.block {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        self.send(&bytes)
    }

    /// One write, so that lines of several processes on one terminal stay whole.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }
}

/// To the first column, `lines` up.
fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\r\x1b[{lines}A") }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock();
        inner.unfinished.extend_from_slice(bytes);
        if let Some(end) = inner.unfinished.iter().rposition(|&byte| byte == b'\n') {
            let rest = inner.unfinished.split_off(end + 1);
            let lines = std::mem::replace(&mut inner.unfinished, rest);
            let lines = String::from_utf8_lossy(&lines);
            // The log quotes what strangers send.
            let safe: String = lines.lines().map(|line| printable(line) + "\n").collect();
            inner.print(safe.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(steps: impl FnOnce(Screen)) -> String {
        let out = Shared::default();
        steps(Screen::new(Box::new(out.clone())));
        let bytes = out.0.lock().clone();
        String::from_utf8(bytes).expect("text")
    }

    fn draw(screen: &Screen, lines: &[&str]) {
        screen.draw(lines.iter().map(ToString::to_string).collect()).expect("a buffer takes all");
    }

    #[test]
    fn the_block_is_drawn_anew_in_place() {
        let text = shown(|screen| {
            draw(&screen, &["a 1%", "b 1%"]);
            draw(&screen, &["a 2%", "b 2%"]);
        });
        assert_eq!(text, "\x1b[2Ka 1%\n\x1b[2Kb 1%\n\r\x1b[2A\x1b[2Ka 2%\n\x1b[2Kb 2%\n");
    }

    #[test]
    fn a_shorter_block_takes_what_is_left_of_the_longer_one_away() {
        let text = shown(|screen| {
            draw(&screen, &["a", "b"]);
            draw(&screen, &["c"]);
        });
        assert!(text.ends_with("\r\x1b[2A\x1b[2Kc\n\x1b[J"), "{text:?}");
    }

    #[test]
    fn a_line_pushes_the_block_down_and_stays() {
        let text = shown(|screen| {
            draw(&screen, &["a 1%"]);
            screen.line("WARN x").expect("a buffer takes all");
        });
        assert_eq!(text, "\x1b[2Ka 1%\n\r\x1b[1A\x1b[JWARN x\na 1%\n");
    }

    #[test]
    fn without_a_block_lines_are_plain() {
        let text = shown(|screen| {
            screen.line("x").expect("a buffer takes all");
            draw(&screen, &["a"]);
            screen.settle();
            screen.line("y").expect("a buffer takes all");
        });
        assert_eq!(text, "x\n\x1b[2Ka\ny\n");
    }

    #[test]
    fn the_log_passes_on_whole_lines_only() {
        let text = shown(|mut screen| {
            screen.write_all(b"half").expect("a buffer takes all");
            screen.line("x").expect("a buffer takes all");
            screen.write_all(b" and \x1b half\nrest").expect("a buffer takes all");
        });
        assert_eq!(text, "x\nhalf and \\u{1b} half\n");
    }

    #[test]
    fn the_screen_is_never_cleared() {
        let text = shown(|screen| {
            draw(&screen, &["a"]);
            screen.erase().expect("a buffer takes all");
        });
        assert!(!text.contains("\x1b[2J") && !text.contains("\x1b[H") && !text.contains("\x1bc"));
    }
}
