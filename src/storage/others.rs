//! What other programs do to the files that we write: [`Others`].
//!
//! While a file is written by us its times say nothing about others. The system is asked instead
//! (inotify) to note two things: that somebody opened the file, and that somebody closed it who
//! could have written. We ourselves keep one handle open and do neither. What was noted is heard
//! at every [`Others::look`]; nobody waits for it.
//!
//! ```text
//! cp other NAME.part:  open -> was_opened    write ...    close -> was_written
//! ```
//! Where the system gives no such note (not Linux, too many watches, a file system of another
//! machine) [`Others::watch`] gives none either, and a finished file is hashed once more.

use std::fs::File;
use std::sync::Arc;

/// The notes about the files of one torrent.
#[derive(Debug, Default)]
pub(super) struct Others(system::Notes);

/// The notes about one file, as long as it is kept open.
#[derive(Debug)]
pub(super) struct Watched {
    others: Arc<Others>,
    note: system::Note,
}

impl Others {
    /// From now on it is noted what others do to this file; `None` where nothing can be.
    pub(super) fn watch(self: &Arc<Self>, file: &File) -> Option<Watched> {
        Some(Watched { note: self.0.watch(file)?, others: self.clone() })
    }

    /// Hears what was noted so far.
    pub(super) fn look(&self) {
        self.0.look();
    }
}

impl Watched {
    /// Whether somebody may have written to it.
    pub(super) fn was_written(&self) -> bool {
        self.note.was_written()
    }

    /// It was looked at: what was written so far is no news.
    pub(super) fn forget(&self) {
        self.note.forget();
    }

    /// Whether somebody opened it since this was last asked.
    pub(super) fn was_opened(&self) -> bool {
        self.note.was_opened()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.others.0.unwatch(&self.note);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use parking_lot::Mutex;
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
    use std::collections::HashMap;
    use std::fs::File;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    #[derive(Debug, Default)]
    struct Marks {
        opened: AtomicBool,
        written: AtomicBool,
    }

    #[derive(Debug, Default)]
    pub(super) struct Notes {
        /// Made for the first file; `None` when the system has none to give.
        fd: OnceLock<Option<OwnedFd>>,
        /// Held while the notes are read, so that who looks next finds them heard.
        files: Mutex<HashMap<i32, Arc<Marks>>>,
    }

    #[derive(Debug)]
    pub(super) struct Note {
        number: i32,
        marks: Arc<Marks>,
    }

    impl Notes {
        pub(super) fn watch(&self, file: &File) -> Option<Note> {
            let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
            let fd = self.fd.get_or_init(|| inotify::init(flags).ok()).as_ref()?;
            // By its descriptor: the name may be another file's by now.
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let mut files = self.files.lock();
            let number =
                inotify::add_watch(fd, path, WatchFlags::OPEN | WatchFlags::CLOSE_WRITE).ok()?;
            let marks = Arc::<Marks>::default();
            files.insert(number, marks.clone());
            Some(Note { number, marks })
        }

        pub(super) fn unwatch(&self, note: &Note) {
            let mut files = self.files.lock();
            let is_ours = files.get(&note.number).is_some_and(|it| Arc::ptr_eq(it, &note.marks));
            if let Some(Some(fd)) = self.fd.get().filter(|_| is_ours) {
                files.remove(&note.number);
                let _ = inotify::remove_watch(fd, note.number); // the file may be gone
            }
        }

        pub(super) fn look(&self) {
            let Some(Some(fd)) = self.fd.get() else { return };
            let files = self.files.lock();
            let mut room = [MaybeUninit::uninit(); 4096];
            let mut notes = Reader::new(fd, &mut room);
            while let Ok(note) = notes.next() {
                let events = note.events();
                let all = events.contains(ReadFlags::QUEUE_OVERFLOW);
                for (_, marks) in files.iter().filter(|(number, _)| all || **number == note.wd()) {
                    if all || events.contains(ReadFlags::OPEN) {
                        marks.opened.store(true, Ordering::Release);
                    }
                    if all || events.contains(ReadFlags::CLOSE_WRITE) {
                        marks.written.store(true, Ordering::Release);
                    }
                }
            }
        }
    }

    impl Note {
        pub(super) fn was_written(&self) -> bool {
            self.marks.written.load(Ordering::Acquire)
        }

        pub(super) fn forget(&self) {
            self.marks.written.store(false, Ordering::Release);
        }

        pub(super) fn was_opened(&self) -> bool {
            self.marks.opened.swap(false, Ordering::AcqRel)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;

    #[derive(Debug, Default)]
    pub(super) struct Notes;

    #[derive(Debug)]
    pub(super) enum Note {}

    impl Notes {
        pub(super) fn watch(&self, _: &File) -> Option<Note> {
            None
        }

        pub(super) fn unwatch(&self, note: &Note) {
            match *note {}
        }

        pub(super) fn look(&self) {}
    }

    impl Note {
        pub(super) fn was_written(&self) -> bool {
            match *self {}
        }

        pub(super) fn forget(&self) {
            match *self {}
        }

        pub(super) fn was_opened(&self) -> bool {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;
    use std::fs;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_others_write_is_noted_and_what_we_write_is_not() {
        let scratch = Scratch::new();
        let path = scratch.path().join("f");
        let ours = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let others = Arc::<Others>::default();
        let Some(watched) = others.watch(&ours) else {
            eprintln!("NOT RUN: the system gives no notes");
            return;
        };
        let heard = || {
            others.look();
            let heard = (watched.was_opened(), watched.was_written());
            watched.forget();
            heard
        };
        ours.write_all_at(b"1234567890", 0).unwrap();
        ours.set_len(100).unwrap();
        assert_eq!(heard(), (false, false));
        drop(File::open(&path).unwrap());
        assert_eq!(heard(), (true, false), "it was only read");
        fs::write(&path, "other").unwrap();
        assert_eq!(heard(), (true, true));
        fs::rename(&path, scratch.path().join("g")).unwrap();
        assert_eq!(heard(), (false, false));
        drop(File::options().append(true).open(scratch.path().join("g")).unwrap());
        assert_eq!(heard(), (true, true), "under another name it is still watched");
    }
}
