//! What is asked of whom, and what comes of it.

use super::{Action, Decision, Params, Swarm};
use crate::clock::Moment;
use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use crate::logic::PeerKey;
use crate::logic::picker::Ask;
use crate::logic::session::{Fault, Session};
use crate::logic::swarm::Parting;
use crate::logic::swarm::action::MISSES;
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use std::cmp::Reverse;
use std::time::Duration;

/// How long a request may stay unanswered before others are asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl Swarm {
    /// A chunk arrived: which parts of it may be stored? Empty means none.
    pub fn claim(
        &mut self,
        now: Moment,
        peer: PeerKey,
        chunk: Span,
        out: &mut Vec<Action>,
    ) -> Result<Vec<Span>, Fault> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(Vec::new()) };
        self.down.add(now, chunk.length.into());
        if !session.requests.on_chunk(now, chunk)? {
            return Ok(Vec::new());
        }
        let granted = self.claim_for(now, peer, chunk, out);
        if let Some(session) = self.sessions.get_mut(&peer).filter(|_| !granted.is_empty()) {
            session.on_granted(now, bytes_of(&granted));
            self.stallers.remove(&session.address);
        }
        Ok(granted)
    }

    /// Claims what is wanted of a chunk; peers that owe the same are told that it came.
    pub(super) fn claim_for(
        &mut self,
        now: Moment,
        peer: PeerKey,
        chunk: Span,
        out: &mut Vec<Action>,
    ) -> Vec<Span> {
        if self.stopped {
            self.picker.on_void(peer, chunk);
            return Vec::new();
        }
        let claim = self.picker.claim(peer, chunk);
        for (other, span) in claim.cancel {
            let Some(session) = self.sessions.get_mut(&other) else { continue };
            for part in in_requests(session.dialect, span) {
                if session.requests.on_cancelled(now, part) {
                    out.push(Action::Say(other, Message::Cancel(part)));
                }
            }
        }
        claim.granted
    }

    /// What was granted is stored; the peer is asked for more.
    pub fn on_written(
        &mut self,
        now: Moment,
        peer: PeerKey,
        granted: &[Span],
        out: &mut Vec<Action>,
    ) {
        let whole: Vec<_> =
            granted.iter().filter_map(|&span| self.picker.on_written(peer, span)).collect();
        if whole.is_empty() && !granted.is_empty() {
            self.on_ready(now, peer);
        }
        out.extend(whole.into_iter().map(Action::Verify));
        self.fill(now, peer, out);
    }

    /// The worker of a peer has handed its pieces to the verifier and reads on: only from now on
    /// does the peer's time run.
    pub fn on_ready(&mut self, now: Moment, peer: PeerKey) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.requests.on_ready(now);
        }
    }

    /// What was granted could not be stored: the torrent asks for nothing more.
    pub fn on_not_written(&mut self, granted: &[Span]) {
        granted.iter().for_each(|&span| self.picker.on_not_written(span));
        self.stop_requesting();
    }

    /// Whoever was to store what was granted broke off: it is wanted again.
    pub fn on_broke_off(&mut self, granted: &[Span]) {
        granted.iter().for_each(|&span| self.picker.on_not_written(span));
    }

    /// Time passed: requests that nobody answered are asked of others, and a peer with nothing to
    /// do is asked once more (it may have refused, or the end game may have begun since). Who takes
    /// nothing of what we send it loses its slot.
    pub fn on_tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.pace = self.sessions.values().map(|s| s.gives.per_second(now)).max().unwrap_or(0);
        let patience = self.patience();
        let mut again = false;
        let mut snubbed = Vec::new();
        let swift = self.sessions.values().filter(|s| s.is_swift()).count();
        for (&peer, session) in &mut self.sessions {
            session.on_tick();
            let mut late = session.requests.next_missed(now, patience);
            if !late.is_empty() {
                decide(&self.params, out, || Decision::Missed(peer, bytes_of(&late)));
            } else if swift > usize::from(session.is_swift()) {
                // Only if there is somebody else to ask: else it would send the same twice.
                late = session.requests.next_overdue(now, patience);
                if !late.is_empty() {
                    decide(&self.params, out, || Decision::Overdue(peer, bytes_of(&late)));
                }
                out.extend(late.iter().map(|&span| Action::Say(peer, Message::Cancel(span))));
            }
            late.iter().for_each(|&span| _ = self.picker.on_void(peer, span));
            again |= !late.is_empty() || (session.is_idle() && session.am_interested);
            if session.requests.misses >= MISSES {
                snubbed.push(peer);
            }
        }
        for peer in snubbed {
            out.push(Action::Disconnect(peer, Parting::Snubbed));
            self.on_left(now, peer, out);
        }
        if again {
            self.fill_all(now, out);
        }
        self.pass_on_slots(now, out);
        self.show_all(now, out);
    }

    /// When [`Swarm::on_tick`] will have something to do.
    pub fn deadline(&self) -> Option<Moment> {
        let patience = self.patience();
        self.sessions.values().filter_map(|s| s.requests.deadline(patience)).min()
    }

    /// What a peer owes us is wanted again. It may be under way, and is then no fault of the peer.
    pub(super) fn hand_back(&mut self, peer: PeerKey) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        for span in session.requests.give_up_all() {
            self.picker.on_void(peer, span);
        }
    }

    pub(super) fn fill_all(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.by_merit(now).into_iter().for_each(|peer| self.fill(now, peer, out));
    }

    /// Others first, so that a request which its peer refused is not asked of it again at once.
    pub(super) fn fill_others(&mut self, now: Moment, refused: PeerKey, out: &mut Vec<Action>) {
        let others = self.by_merit(now).into_iter().filter(|&peer| peer != refused);
        others.for_each(|peer| self.fill(now, peer, out));
    }

    /// Who is asked first: whoever missed no deadline, then who has delivered something, then whoever
    /// gives most, so that what one stalled peer owed does not go to the next one. Who may not be
    /// asked is left out.
    fn by_merit(&self, now: Moment) -> Vec<PeerKey> {
        let mut peers: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.may_be_asked())
            .map(|(&peer, session)| {
                let gives = Reverse(session.gives.per_second(now));
                (session.requests.misses, session.last_block.is_none(), gives, peer)
            })
            .collect();
        peers.sort_unstable();
        peers.into_iter().map(|(.., peer)| peer).collect()
    }

    /// Asks a peer for as much as its pipeline takes.
    pub(super) fn fill(&mut self, now: Moment, peer: PeerKey, out: &mut Vec<Action>) {
        // Most of the time nothing is to be asked, and then nothing else needs to be known.
        let is_open = |s: &Session| s.may_be_asked() && s.requests.pipeline.room() > 0;
        if self.stopped || !self.sessions.get(&peer).is_some_and(is_open) {
            return;
        }
        let mut allowed = self.allowed(peer);
        let others_are_swift = || self.sessions.values().any(|s| s.peer != peer && s.is_swift());
        let is_late = self.sessions.get(&peer).is_some_and(|s| s.requests.pipeline.is_snubbed());
        // What a late peer is asked for, others are asked for too, unless there are no others.
        let late = (is_late && others_are_swift()).then_some(Ask::Copy);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let may = !self.stopped && session.may_be_asked();
        let fast = (may && session.peer_choking).then(|| session.allowed_now());
        while !self.stopped && session.may_be_asked() {
            let longest = session.requests.pipeline.longest_request().min(allowed);
            let room = session.requests.pipeline.room().min(allowed);
            let busy = session.requests.pipeline.in_flight() > 0;
            if room == 0 || (busy && room < longest / 2) {
                return;
            }
            // Under a limit of our own a second copy would only take room from the first.
            let may_double = self.params.endgame && self.params.down_limit.is_none();
            let fresh = match session.is_idle() && may_double {
                true if is_late || session.last_block.is_none() => Ask::Untried,
                true => Ask::Idle,
                false => Ask::Fresh,
            };
            let ask = late.unwrap_or(fresh);
            let most = room.min(longest).min(session.most_at_once());
            let theirs = fast.as_ref().unwrap_or(session.have());
            let only = session.trust.only(theirs);
            let theirs = only.as_ref().unwrap_or(theirs);
            let Some((span, why)) = self.picker.next_span(peer, theirs, most, ask) else {
                return;
            };
            decide(&self.params, out, || Decision::Pick(peer, span, why));
            allowed = allowed.saturating_sub(span.length.into());
            session.trust.on_asked(span.piece);
            for part in in_requests(session.dialect, span) {
                session.requests.on_asked(now, part);
                out.push(Action::Say(peer, Message::Get(part)));
            }
        }
    }

    /// How many more bytes may be asked of a peer under the download limit: what it lets through in
    /// two seconds, shared evenly by those who answer, and always a block.
    fn allowed(&self, peer: PeerKey) -> u64 {
        let Some(limit) = self.params.down_limit else { return u64::MAX };
        let owes = |s: &Session| s.requests.pipeline.in_flight();
        let all = (limit * 2).max(BLOCK_LEN.into());
        let answering = self.sessions.values().filter(|s| s.is_swift()).count().max(1);
        let each = (all / answering as u64).max(BLOCK_LEN.into());
        let mine = self.sessions.get(&peer).map_or(0, owes);
        let of_all = all.saturating_sub(self.sessions.values().map(owes).sum());
        of_all.min(each.saturating_sub(mine))
    }

    /// How long an answer may take: longer when we ourselves read slowly, and where nobody is fast,
    /// as the next who is asked would take as long.
    fn patience(&self) -> Duration {
        let blocks = |count: f64, rate: u64| {
            Duration::from_secs_f64(count * f64::from(BLOCK_LEN) / rate.max(1) as f64)
        };
        let ours = self.params.down_limit.map_or(Duration::ZERO, |limit| blocks(2.0, limit));
        let theirs = if self.pace == 0 { Duration::ZERO } else { blocks(4.0, self.pace) };
        REQUEST_TIMEOUT + ours + theirs.min(2 * REQUEST_TIMEOUT)
    }
}

/// Says a decision, if anybody wants to hear it.
pub(super) fn decide(params: &Params, out: &mut Vec<Action>, decision: impl FnOnce() -> Decision) {
    if params.trace {
        out.push(Action::Decided(decision()));
    }
}

fn bytes_of(spans: &[Span]) -> u64 {
    spans.iter().map(|span| u64::from(span.length)).sum()
}

/// A span as the dialect asks for it: whole, or in blocks of 16 KiB.
fn in_requests(dialect: Dialect, span: Span) -> impl Iterator<Item = Span> {
    let step = match dialect {
        Dialect::Native => span.length.max(1),
        Dialect::BitTorrent => BLOCK_LEN,
    };
    let starts = (0..span.length).step_by(step as usize);
    starts.map(move |from| Span {
        offset: span.offset + from,
        length: step.min(span.length - from),
        ..span
    })
}
