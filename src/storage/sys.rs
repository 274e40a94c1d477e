//! The last net under a memory map: [`Watch`].
//!
//! A file can be cut short between our look at it and our touch; the processor then has no page
//! to give us and the kernel raises SIGBUS, which ends the program. The handler here puts a page
//! of zeros under the one address, marks that map as broken and lets the thread go on, which
//! then finds the mark and reports an error. Addresses outside our maps are handed to whoever
//! handled the signal before (the runtime's message about a stack overflow, or the end).
//!
//! ```text
//! thread:  copy ... fault                       ... copy ends, broken? -> error
//! handler:            in a watched map? zeros there, broken = true, return
//! ```
//! The handler only reads and writes atomics and calls `mmap` and `sigaction`: no lock, no
//! allocation. Where there is no net (not Linux, or all slots taken) nothing is mapped.
#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The most maps watched at a time; more are not mapped but written by position.
const SLOTS: usize = 4096;

struct Slot {
    /// First address; 0 for a free slot.
    start: AtomicUsize,
    /// Bytes; 0 while the slot is being taken or given back.
    length: AtomicUsize,
    broken: AtomicBool,
}

static MAPS: [Slot; SLOTS] = [const {
    Slot { start: AtomicUsize::new(0), length: AtomicUsize::new(0), broken: AtomicBool::new(false) }
}; SLOTS];

/// A map over whose addresses the net is spread until this is dropped (before the map is).
#[derive(Debug)]
pub(super) struct Watch(usize);

impl Watch {
    /// Spreads the net; `None` where there is none to spread.
    pub(super) fn over(start: *const u8, length: usize) -> Option<Self> {
        if !installed() {
            return None;
        }
        let (free, taken) = (0, start.addr());
        let index = MAPS.iter().position(|slot| {
            slot.start.compare_exchange(free, taken, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        MAPS[index].broken.store(false, Ordering::Release);
        MAPS[index].length.store(length, Ordering::Release);
        Some(Self(index))
    }

    /// Whether a touch of the map fell into the net: some of its pages are no longer the file's.
    pub(super) fn is_broken(&self) -> bool {
        MAPS[self.0].broken.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        MAPS[self.0].length.store(0, Ordering::Release);
        MAPS[self.0].start.store(0, Ordering::Release);
    }
}

#[cfg(not(target_os = "linux"))]
fn installed() -> bool {
    false
}

/// Who handled the signal before us.
#[cfg(target_os = "linux")]
static BEFORE: OnceLock<Option<libc::sigaction>> = OnceLock::new();

#[cfg(target_os = "linux")]
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Installs the handler on first use; says whether it stands.
#[cfg(target_os = "linux")]
fn installed() -> bool {
    let install = || {
        PAGE.store(rustix::param::page_size(), Ordering::Release);
        // SAFETY: both structs are plain C data for which zeros are a valid value; the handler
        // has the signature that SA_SIGINFO asks for and does only what a handler may.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = on_fault as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            (libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut before) == 0).then_some(before)
        }
    };
    BEFORE.get_or_init(install).is_some()
}

#[cfg(target_os = "linux")]
extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() }.addr();
    let hit = MAPS.iter().find(|slot| {
        let start = slot.start.load(Ordering::Acquire);
        start != 0 && address >= start && address - start < slot.length.load(Ordering::Acquire)
    });
    if let Some(slot) = hit {
        slot.broken.store(true, Ordering::Release);
        if put_zeros_under(address) {
            return;
        }
    }
    // Not ours: the instruction runs again and faults again, under the former handler.
    // SAFETY: the action is the one that stood before ours, or the default (all zeros).
    unsafe {
        let default = std::mem::zeroed();
        let before = BEFORE.get().and_then(Option::as_ref).unwrap_or(&default);
        libc::sigaction(signal, before, std::ptr::null_mut());
    }
}

#[cfg(target_os = "linux")]
fn put_zeros_under(address: usize) -> bool {
    let page = PAGE.load(Ordering::Acquire);
    let start = address & !(page - 1);
    // SAFETY: the page lies inside a map of ours that is alive (it was just touched), so
    // replacing it takes nobody else's memory.
    let put = unsafe {
        libc::mmap(
            std::ptr::without_provenance_mut(start),
            page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    put != libc::MAP_FAILED
}
