//! Conversations with trackers, in transcripts: `>` is what is announced where.

use super::*;

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

/// An announcer and its trackers, played by the test.
struct Talk {
    announcer: Announcer,
    now: Moment,
    asked: Vec<Ask>,
}

impl Talk {
    fn with(tiers: &[&[&str]], complete: bool) -> Self {
        let tiers = tiers.iter().map(|tier| tier.iter().map(|url| (*url).into()).collect());
        let params = Params { tiers: tiers.collect(), complete, time_scale: 1.0, seed: 1 };
        Self { announcer: Announcer::new(&params), now: at(0), asked: Vec::new() }
    }

    fn new(tiers: &[&[&str]]) -> Self {
        Self::with(tiers, false)
    }

    /// What is announced now.
    fn check(&mut self, transcript: &[&str]) -> &mut Self {
        let mut lines = Vec::new();
        while let Some(announce) = self.announcer.next_announce(self.now) {
            lines.push(format!("> {} {:?}", announce.url.host, announce.event));
            self.asked.push(announce);
            assert!(lines.len() < 99);
        }
        assert_eq!(lines, transcript, "at {:?}", self.now);
        self
    }

    fn last(&mut self) -> Ask {
        self.asked.pop().expect("something was announced")
    }

    fn answer(&mut self, answer: Answer) -> &mut Self {
        let announce = self.last();
        self.announcer.on_answer(self.now, &announce, answer);
        self
    }

    fn interval(&mut self, secs: i64) -> &mut Self {
        self.answer(Answer { interval: Some(secs), ..Answer::default() })
    }

    fn fail(&mut self) -> &mut Self {
        let announce = self.last();
        self.announcer.on_failed(self.now, &announce, None);
        self
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) -> Duration {
        let deadline = self.announcer.deadline().expect("something will be due");
        let waited = deadline.since(self.now);
        self.now = self.now.max(deadline);
        waited
    }

    fn check_wait(&mut self, secs: u64) -> &mut Self {
        assert_eq!(self.wait(), Duration::from_secs(secs));
        self
    }
}

const A: &str = "http://a/announce";
const B: &str = "udp://b:1";
const C: &str = "http://c/announce";

#[test]
fn the_first_announce_is_started_and_the_next_comes_after_the_interval() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]).check(&[]).interval(1800).check(&[]);
    talk.check_wait(1800).check(&["> a None"]).interval(900).check_wait(900);
}

#[test]
fn an_interval_that_cannot_be_meant_is_half_an_hour_and_others_are_kept_within_bounds() {
    let check = |url: &str, interval: Option<i64>, secs: u64| {
        let mut talk = Talk::new(&[&[url]]);
        talk.asked.extend(talk.announcer.next_announce(at(0)));
        talk.answer(Answer { interval, ..Answer::default() });
        assert_eq!(talk.wait(), Duration::from_secs(secs), "{url} {interval:?}");
    };
    for absurd in [None, Some(-1), Some(0), Some(1 << 31), Some(i64::MAX), Some(i64::MIN)] {
        check(A, absurd, 1800);
        check("http://127.0.0.1/announce", absurd, 1800);
    }
    check(A, Some(1), 60);
    check(A, Some(1_000_000), 86_400);
    check("http://127.0.0.1/announce", Some(7), 7);
    check("udp://localhost:9", Some(1), 5);
    check("udp://[fd00::1]:9", Some(1), 5);
}

#[test]
fn the_next_tier_is_asked_only_when_all_of_one_have_failed() {
    let mut talk = Talk::new(&[&[A, B], &[C]]);
    let first = talk.announcer.next_announce(at(0)).unwrap();
    let (other, name) = if first.url.host == "a" { ("b", "a") } else { ("a", "b") };
    talk.asked.push(first);
    talk.fail().check(&[&format!("> {other} Started")]).fail();
    talk.check(&["> c Started"]).interval(1800).check_wait(1800);
    // From the top again, in the order that was drawn.
    talk.check(&[&format!("> {name} Started")]);
}

#[test]
fn who_answers_moves_to_the_front_of_its_tier() {
    let mut talk = Talk::new(&[&[A, B, C]]);
    let first = talk.announcer.next_announce(at(0)).unwrap();
    talk.asked.push(first.clone());
    talk.fail();
    let second = talk.announcer.next_announce(at(0)).unwrap();
    talk.asked.push(second.clone());
    talk.interval(1800).check_wait(1800);
    talk.check(&[&format!("> {} None", second.url.host)]).fail();
    talk.check(&[&format!("> {} Started", first.url.host)]);
}

#[test]
fn the_order_inside_a_tier_is_drawn() {
    let firsts = (0..20).map(|seed| {
        let tiers = vec![vec![A.to_string(), B.to_string()]];
        let params = Params { tiers, complete: false, time_scale: 1.0, seed };
        Announcer::new(&params).next_announce(at(0)).unwrap().url.host
    });
    let a = firsts.filter(|host| host == "a").count();
    assert!((3..=17).contains(&a), "{a} of 20");
}

#[test]
fn a_tracker_that_fails_is_asked_ever_more_rarely() {
    let mut talk = Talk::new(&[&[A]]);
    for usual in [5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0, 1800.0] {
        talk.check(&["> a Started"]).fail().check(&[]);
        let waited = talk.wait().as_secs_f64();
        assert!((usual * 0.75..=usual * 1.25).contains(&waited), "{waited} for {usual}");
    }
    // An answer, and the next failure is the first again.
    talk.check(&["> a Started"]).interval(60).check_wait(60).check(&["> a None"]).fail();
    assert!(talk.wait() < Duration::from_secs(7));
}

#[test]
fn a_tracker_nearby_that_fails_is_asked_every_two_minutes_at_least() {
    let mut talk = Talk::new(&[&["udp://192.168.1.1:6969"]]);
    for usual in [5.0, 15.0, 30.0, 60.0, 96.0, 96.0, 96.0] {
        talk.check(&["> 192.168.1.1 Started"]).fail().check(&[]);
        let waited = talk.wait().as_secs_f64();
        assert!((usual * 0.75..=usual * 1.25).contains(&waited), "{waited} for {usual}");
    }
}

#[test]
fn a_tracker_may_ask_to_be_left_alone_for_longer_but_not_for_ever() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]);
    let announce = talk.last();
    talk.announcer.on_failed(at(0), &announce, Some(Duration::from_hours(1)));
    talk.check_wait(3600).check(&["> a Started"]);
    let announce = talk.last();
    talk.announcer.on_failed(talk.now, &announce, Some(Duration::MAX));
    talk.check_wait(86_400);
}

#[test]
fn completed_is_said_at_once_and_once() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]).interval(1800);
    talk.announcer.on_report(true, false);
    talk.check(&["> a Completed"]).fail();
    talk.wait();
    talk.check(&["> a Completed"]).interval(1800);
    talk.announcer.on_report(true, false);
    talk.check(&[]).check_wait(1800).check(&["> a None"]);
}

#[test]
fn who_completes_before_any_tracker_answered_says_started_first() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]);
    talk.announcer.on_report(true, false);
    talk.check(&[]).interval(1800).check(&["> a Completed"]);
}

#[test]
fn what_was_complete_at_the_start_is_never_completed() {
    let mut talk = Talk::with(&[&[A]], true);
    talk.announcer.on_report(true, false);
    talk.check(&["> a Started"]).interval(1800).check(&[]).check_wait(1800);
    talk.check(&["> a None"]);
}

#[test]
fn a_partial_seed_says_paused_until_it_wants_more() {
    let mut talk = Talk::new(&[&[A]]);
    talk.announcer.on_partial_seed(true);
    talk.check(&["> a Paused"]).interval(1800).check_wait(1800).check(&["> a Paused"]);
    talk.interval(1800);
    talk.announcer.on_partial_seed(false);
    talk.check_wait(1800).check(&["> a None"]).interval(1800);
    talk.announcer.on_partial_seed(true);
    talk.announcer.on_stop();
    talk.check(&["> a Stopped"]);
}

#[test]
fn stopped_goes_to_everyone_who_may_know_of_us() {
    let mut talk = Talk::new(&[&[A], &[B], &[C]]);
    talk.check(&["> a Started"]).interval(60).check_wait(60);
    talk.check(&["> a None"]).fail().check(&["> b Started"]);
    talk.announcer.on_stop();
    assert_eq!(talk.announcer.deadline(), Some(Moment::START));
    // B may have heard us; C has not.
    talk.check(&["> b Stopped", "> a Stopped"]).check(&[]);
    assert!(!talk.announcer.is_gone());
    talk.fail().interval(60);
    assert!(talk.announcer.is_gone());
    // B's answer to `started` comes too late to matter.
    talk.interval(60);
    assert!(talk.announcer.is_gone() && talk.announcer.deadline().is_none());
}

#[test]
fn whoever_told_nobody_is_gone_at_once() {
    let mut talk = Talk::new(&[&[A]]);
    talk.announcer.on_stop();
    assert!(talk.announcer.is_gone());
    talk.check(&[]);
}

#[test]
fn who_needs_peers_asks_again_after_the_min_interval() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]);
    let answer = Answer { interval: Some(1800), min_interval: Some(300), tracker_id: None };
    talk.answer(answer.clone());
    talk.announcer.on_report(false, true);
    talk.check_wait(300).check(&["> a None"]).answer(answer);
    talk.announcer.on_report(false, false);
    talk.check_wait(1800).check(&["> a None"]).interval(1800);
    // Without one, half of the interval is kept.
    talk.announcer.on_report(false, true);
    talk.check_wait(900);
}

#[test]
fn a_tracker_nearby_is_asked_for_peers_every_five_seconds() {
    let mut talk = Talk::new(&[&["http://10.0.0.1/announce"]]);
    talk.announcer.on_report(false, true);
    talk.check(&["> 10.0.0.1 Started"]).interval(1800).check_wait(5);
}

#[test]
fn the_min_interval_holds_even_against_a_shorter_interval() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]);
    let answer = Answer { interval: Some(60), min_interval: Some(600), tracker_id: None };
    talk.answer(answer).check_wait(600);
}

#[test]
fn a_tracker_id_is_sent_back_until_another_comes() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]);
    assert_eq!(talk.asked[0].tracker_id, None);
    talk.answer(Answer { tracker_id: Some(b"x".to_vec()), ..Answer::default() });
    talk.wait();
    talk.check(&["> a None"]);
    assert_eq!(talk.asked[0].tracker_id.as_deref(), Some(&b"x"[..]));
    talk.interval(60);
    talk.announcer.on_stop();
    talk.check(&["> a Stopped"]);
    assert_eq!(talk.asked[0].tracker_id.as_deref(), Some(&b"x"[..]));
}

#[test]
fn a_time_scale_divides_intervals_and_not_the_rest_after_a_failure() {
    let params = Params { tiers: vec![vec![A.into()]], complete: false, time_scale: 60.0, seed: 1 };
    let mut talk = Talk { announcer: Announcer::new(&params), now: at(0), asked: Vec::new() };
    talk.check(&["> a Started"]).interval(1800).check_wait(30).check(&["> a None"]).fail();
    assert!(talk.wait() > Duration::from_secs(3));
}

#[test]
fn what_is_no_tracker_of_ours_is_left_out() {
    let mut talk = Talk::new(&[&["wss://a", "nonsense"], &[], &[A, A]]);
    talk.check(&["> a Started"]).fail().check(&[]);
    let none = Talk::new(&[&["wss://a"], &[]]);
    assert!(!none.announcer.has_trackers() && none.announcer.deadline().is_none());
}

#[test]
fn a_strangers_url_on_this_machine_is_announced_to_where_it_is_a_trackers() {
    let check = |url: &str, expected| {
        assert_eq!(reach_of(&Url::parse(url).unwrap()), expected, "{url}");
    };
    check("http://127.1:9091/rpc?x=/announce", Reach::NotThisMachine);
    check("https://tracker.example/", Reach::NotThisMachine);
    check("http://127.0.0.1:6969/announce?k=v", Reach::Anywhere);
    check("http://tracker.example/announce.php", Reach::Anywhere);
    check("udp://127.0.0.1:6969", Reach::Anywhere);
}

impl Talk {
    fn tiers(&mut self, tiers: &[&[&str]]) -> &mut Self {
        let tiers = tiers.iter().map(|tier| tier.iter().map(|url| (*url).into()).collect());
        self.announcer.on_tiers(&tiers.collect::<Vec<_>>());
        self
    }

    fn reannounce(&mut self) -> &mut Self {
        self.announcer.on_reannounce();
        self
    }

    /// Host, tier, whether it is asked now, when next, whether it waits behind others.
    fn check_standing(&mut self, expected: &[&str]) -> &mut Self {
        let line = |standing: Standing| {
            let next = standing.next.map(|next| next.elapsed().as_secs());
            let flags = [(standing.under_way, " asked"), (standing.backup, " backup")];
            let flags = flags.map(|(is_so, word)| if is_so { word } else { "" }).concat();
            format!("{} {} {next:?}{flags}", standing.url.host, standing.tier)
        };
        let lines: Vec<String> = self.announcer.standing().into_iter().map(line).collect();
        assert_eq!(lines, expected);
        self
    }
}

#[test]
fn of_new_tiers_who_is_gone_hears_stopped_and_who_stays_hears_nothing() {
    let mut talk = Talk::new(&[&[A], &[C]]);
    talk.check(&["> a Started"]).interval(1800);
    talk.tiers(&[&[A], &[B]]).check(&[]); // one never knew us, and the other stands behind
    talk.tiers(&[&[B]]).check(&["> a Stopped", "> b Started"]).interval(1800).interval(0);
    talk.tiers(&[]).check(&["> b Stopped"]);
    assert_eq!(talk.announcer.deadline(), None);
    assert!(!talk.announcer.is_gone(), "it was not told to go");
}

#[test]
fn a_new_tracker_that_is_dead_does_not_make_the_old_one_be_asked_too_soon() {
    let mut talk = Talk::new(&[&[C]]);
    talk.check(&["> c Started"]).interval(1800);
    talk.tiers(&[&[A], &[C]]).check(&["> a Started"]).fail().check(&[]);
    talk.now = at(899);
    talk.check(&["> a Started"]).fail();
    talk.now = at(901);
    talk.check(&["> c None"]);
}

#[test]
fn who_is_replaced_while_it_is_asked_hears_stopped_all_the_same() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]).tiers(&[&[C]]);
    talk.announcer.on_stop();
    talk.check(&["> a Stopped"]);
}

#[test]
fn peers_that_are_wanted_now_are_asked_for_as_soon_as_the_tracker_allows() {
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]).interval(1800).reannounce().check(&[]);
    talk.check_wait(900).check(&["> a None"]).interval(1800).check_wait(1800);
    let mut talk = Talk::new(&[&[A]]);
    talk.check(&["> a Started"]).fail().check(&[]).reannounce().check(&["> a Started"]);
    let announce = talk.last();
    talk.announcer.on_failed(talk.now, &announce, Some(Duration::from_mins(10)));
    talk.reannounce().check(&[]);
}

#[test]
fn a_tracker_behind_one_that_answers_is_a_backup() {
    let mut talk = Talk::new(&[&[A], &[C]]);
    talk.check_standing(&["a 0 Some(0)", "c 1 None backup"]);
    talk.check(&["> a Started"]).check_standing(&["a 0 None asked", "c 1 None backup"]);
    talk.interval(1800).check_standing(&["a 0 Some(1800)", "c 1 None backup"]);
    talk.now = at(1800);
    talk.check(&["> a None"]).fail().check_standing(&["a 0 None backup", "c 1 Some(1800)"]);
    talk.check(&["> c Started"]).check_standing(&["a 0 None backup", "c 1 None asked"]);
}
