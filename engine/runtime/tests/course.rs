//! The kernel on workflows made by hand: what starts and what does not, and how much of a time is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use holdfast_kernel::admit::admits;
use holdfast_kernel::command::Command;
use holdfast_kernel::decide::{Decision, Places, Stamp, decide, grant, outstanding, queue};
use holdfast_kernel::definition::{
    ChildUse, Definition, EffectClass, Finally, RunWhen, Share, Work, Writes,
};
use holdfast_kernel::event::{
    Answer, ApprovalAsk, BlockCause, CancelKind, Completeness, Death, Event, Listing, Question,
    Timer, Verdict,
};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{AttemptId, Digest, ExpressionId, Instant, ItemIndex, Millis, StepIndex};
use holdfast_kernel::invariant;
use holdfast_kernel::payload::Payload;
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::reopen::{self, Selection};
use holdfast_kernel::state::{Mark, Phase, RunState, Slots};
use holdfast_kernel::status::{Outcome, Reason, StepEnd};
use holdfast_kernel::value::Value;
use holdfast_rig::{chain, fan_out};
use holdfast_simulation::host::request;

const DAY: Millis = Millis::seconds(86_400);

/// One run on the kernel alone, with its clock and its timers.
struct Course {
    definition: Definition,
    state: RunState,
    at: Instant,
    timers: BTreeMap<Timer, Millis>,
    started: Vec<AttemptId>,
    /// How many attempts there is room for.
    free: u32,
    /// What every `if` comes to, and how often one was asked.
    gate: bool,
    gates: u32,
}

impl Course {
    fn queued(definition: Definition) -> Self {
        definition.check().unwrap();
        let at = Instant(1_700_000_000_000_000);
        let free = Places { process: 9, target: 9 };
        let (state, decision) = queue(&definition, request(1), Stamp { at, free });
        let (timers, started) = (BTreeMap::new(), Vec::new());
        let (free, gate, gates) = (9, true, 0);
        let mut course = Self { definition, state, at, timers, started, free, gate, gates };
        course.carry_out(decision);
        course
    }

    fn started(definition: Definition) -> Self {
        let mut course = Self::queued(definition);
        course.arrive(Event::HoldGranted);
        course
    }

    fn stamp(&self) -> Stamp {
        Stamp { at: self.at, free: Places { process: self.free, target: self.free } }
    }

    fn arrive(&mut self, event: Event) {
        assert!(admits(&self.definition, &self.state, &event), "{event:?}");
        if let Event::TimerFired { timer } = &event {
            self.timers.remove(timer);
        }
        let stamp = self.stamp();
        let decision = decide(&self.definition, &mut self.state, event, stamp).unwrap();
        self.carry_out(decision);
        let stamp = self.stamp();
        if !self.state.is_finished() && self.state.wants_places() {
            let decision = grant(&self.definition, &mut self.state, stamp).unwrap();
            self.carry_out(decision);
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        invariant::check(&self.definition, &self.state).unwrap();
        for command in decision.commands {
            match command {
                Command::SetTimer { timer, duration } => {
                    self.timers.insert(timer, duration);
                }
                Command::ClearTimer { timer } => {
                    self.timers.remove(&timer);
                }
                Command::StartAttempt { attempt, .. } => self.started.push(attempt),
                Command::Evaluate(question @ Question::Gate(_)) => {
                    self.gates += 1;
                    let answer = Answer::Boolean(self.gate);
                    self.arrive(Event::Evaluated { question, answer });
                }
                Command::Evaluate(Question::Items(step)) => {
                    let listing = Listing {
                        list: None,
                        total: 3,
                        excluded: RangeSet::default(),
                        stages: vec![ItemIndex(0)],
                        max_parallel: 1,
                    };
                    self.arrive(Event::ItemsListed { step, listing });
                }
                Command::Evaluate(Question::Approval(step, item)) => {
                    let by = vec!["approver".to_owned()];
                    let (plan, target, text) = (None, None, String::new());
                    let ask = Box::new(ApprovalAsk { plan, target, text, by, allow_self: false });
                    self.arrive(Event::ApprovalRequested { step, item, ask });
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Millis) {
        self.at = self.at.plus(time);
    }

    /// Another process goes on with what the first one stored.
    fn another_process(&mut self) {
        self.timers.clear();
        let in_flight: Vec<_> = self.state.in_flight.keys().copied().collect();
        for attempt in in_flight {
            self.arrive(Event::AttemptInterrupted { attempt, death: Death::Unclean });
        }
        let commands = outstanding(&self.definition, &mut self.state, self.at).unwrap();
        self.carry_out(Decision { commands, ..Decision::default() });
    }

    fn last(&self) -> AttemptId {
        *self.started.last().unwrap()
    }

    fn done(&mut self, item: u32) {
        let (attempt, item) = (self.last(), ItemIndex(item));
        let (output, completeness) = (Payload::empty(), Completeness::Whole);
        self.arrive(Event::AttemptSucceeded { attempt, item, output, completeness });
    }

    fn fails(&mut self, item: u32) {
        let failure = Failure::without_effect(Class::Transient, "not now");
        let (attempt, item) = (self.last(), ItemIndex(item));
        self.arrive(Event::AttemptFailed { attempt, item, failure });
    }

    fn unknown(&mut self, item: u32) {
        let failure = Failure::with_unknown_effect(Class::Transient, "who knows");
        let (attempt, item) = (self.last(), ItemIndex(item));
        self.arrive(Event::AttemptFailed { attempt, item, failure });
    }

    fn cancel(&mut self) {
        self.arrive(Event::CancelRequested { how: CancelKind::Cancel, by: "ada".to_owned() });
    }

    /// Everything that is not ok is done again.
    fn again(&mut self) {
        let redo = reopen::plan(&self.definition, &self.state, Selection::All).unwrap();
        self.arrive(Event::RunReopened { by: "ada".to_owned(), redo });
        self.arrive(Event::HoldGranted);
    }

    fn end(&self, step: usize) -> Option<StepEnd> {
        self.state.steps[step].phase.end()
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.state.phase {
            Phase::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }
}

/// The one step asks a person, and `after` it something is done.
fn asking(after: Writes) -> Definition {
    let mut definition = chain(3, EffectClass::Idempotent);
    definition.steps[1].work = Work::Approval { with: None };
    if let Work::Action(action) = &mut definition.steps[0].work {
        action.writes = after;
    }
    definition
}

#[test]
fn what_a_stop_keeps_from_starting_is_blocked_whatever_it_runs_after_and_its_items_untried() {
    let cancel = || Event::CancelRequested { how: CancelKind::Cancel, by: "ada".to_owned() };
    let time = || Event::TimerFired { timer: Timer::Run };
    for (event, reason, cause) in [
        (cancel(), Reason::Cancelled, BlockCause::Cancelled),
        (time(), Reason::Timeout, BlockCause::Timeout),
    ] {
        let mut definition = chain(3, EffectClass::Idempotent);
        definition.steps[0].for_each = fan_out().steps[0].for_each.clone();
        definition.steps[1].run_when = RunWhen::Done;
        let mut course = Course::started(definition);
        course.arrive(event);
        course.done(0);
        assert_eq!(course.started.len(), 1, "nothing more starts");
        assert_eq!(course.outcome(), Some(Outcome::Failed(reason)));
        let not_ok = &course.state.steps[0].items.not_ok;
        assert_eq!(
            [0, 1, 2].map(|item| not_ok.get(item)),
            [None, Some(Mark::Untried), Some(Mark::Untried)]
        );
        for step in [1, 2] {
            let Some(StepEnd::Blocked(by)) = course.end(step) else { panic!("step {step} ran") };
            assert_eq!(by, cause);
        }
    }
}

#[test]
fn a_run_that_was_queued_for_a_day_fails_whoever_drove_it() {
    let mut course = Course::queued(chain(1, EffectClass::Once));
    assert_eq!(course.timers, BTreeMap::from([(Timer::Queue, DAY)]));
    course.pass(Millis::seconds(80_000));
    course.another_process();
    assert_eq!(course.timers, BTreeMap::from([(Timer::Queue, Millis::seconds(6_400))]));
    course.pass(DAY);
    course.another_process();
    assert_eq!(course.timers, BTreeMap::from([(Timer::Queue, Millis(0))]));
    course.arrive(Event::TimerFired { timer: Timer::Queue });
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::QueueTimeout)));
    assert!(course.started.is_empty());
}

#[test]
fn the_time_of_a_run_goes_on_without_a_process_and_stands_still_while_only_people_are_waited_for() {
    let mut definition = asking(Writes::Nothing);
    definition.timeout = Millis::seconds(600);
    let mut course = Course::started(definition);
    assert_eq!(course.timers[&Timer::Run], Millis::seconds(600));
    course.pass(Millis::seconds(100));
    course.another_process();
    assert_eq!(course.timers[&Timer::Run], Millis::seconds(500), "nobody drove it for a while");
    course.done(0);
    let person = Timer::Item(StepIndex(1), ItemIndex(0));
    assert_eq!(course.timers, BTreeMap::from([(person, Millis::seconds(7 * 86_400))]));
    course.pass(DAY);
    course.another_process();
    assert_eq!(course.timers, BTreeMap::from([(person, Millis::seconds(6 * 86_400))]));
    let (step, item, by) = (StepIndex(1), ItemIndex(0), "ada".to_owned());
    course.arrive(Event::ApprovalGiven { step, item, by, output: Payload::empty() });
    course.arrive(Event::HoldGranted);
    assert_eq!(course.timers[&Timer::Run], Millis::seconds(500), "the day was not its own");
    course.pass(Millis::seconds(600));
    course.another_process();
    assert_eq!(course.timers[&Timer::Run], Millis(0));
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_rejection_also_where_nobody_drove_the_run() {
    let mut definition = asking(Writes::Nothing);
    definition.steps[1].timeout = Some(Millis::seconds(60));
    let mut course = Course::started(definition);
    course.done(0);
    course.pass(DAY);
    course.another_process();
    let person = Timer::Item(StepIndex(1), ItemIndex(0));
    assert_eq!(course.timers[&person], Millis(0));
    course.arrive(Event::TimerFired { timer: person });
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::StepFailed)));
    assert_eq!(course.state.steps[1].failure.as_ref().unwrap().class, Class::Rejected);
    assert_eq!(course.started.len(), 1, "nothing after it starts");
}

#[test]
fn who_waits_for_a_person_gives_its_place_back_and_its_hold_unless_it_has_written() {
    for (writes, has_written) in [(Writes::Nothing, false), (Writes::Target, true)] {
        let mut course = Course::started(asking(writes));
        course.done(0);
        assert_eq!(course.state.awaiting, 1);
        assert_eq!(course.state.slots, Slots::GivenBack);
        assert_eq!(course.state.has_written, has_written, "what keeps the hold: {writes:?}");
    }
}

#[test]
fn a_wait_outlives_its_process_and_is_not_begun_anew() {
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.when = vec![Class::Transient];
    definition.steps[0].retry.delay = Millis::seconds(100_000);
    definition.steps[0].retry.max_delay = Millis::seconds(100_000);
    definition.timeout = Millis::seconds(1_000_000);
    let mut course = Course::started(definition);
    course.fails(0);
    let timer = Timer::Item(StepIndex(0), ItemIndex(0));
    let wait = course.timers[&timer];
    assert!(wait.0 > 1_000 && wait <= Millis::seconds(100_000), "{wait:?}");
    course.pass(Millis(wait.0 / 2));
    course.another_process();
    assert_eq!(course.timers[&timer], Millis(wait.0 - wait.0 / 2));
    assert_eq!(course.started.len(), 1, "the process that died forgot the wait");
    course.pass(wait);
    course.another_process();
    assert_eq!(course.timers[&timer], Millis(0));
    course.arrive(Event::TimerFired { timer });
    course.done(0);
    assert_eq!(course.outcome(), Some(Outcome::Succeeded));
}

#[test]
fn an_attempt_that_our_own_death_cut_short_is_none_of_the_attempts() {
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.when = vec![Class::Transient];
    let mut course = Course::started(definition);
    // A third death in a row would end the item.
    for died in 1..3 {
        assert_eq!(course.started.len(), died);
        course.another_process();
    }
    course.fails(0);
    let timer = Timer::Item(StepIndex(0), ItemIndex(0));
    course.arrive(Event::TimerFired { timer });
    course.fails(0);
    assert_eq!(course.started.len(), 4, "two that died, and the two that it may have");
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::StepFailed)));
}

#[test]
fn a_fan_out_that_fails_fast_starts_nothing_more_once_too_much_is_bad() {
    let mut definition = fan_out();
    definition.steps[0].for_each.as_mut().unwrap().fail_fast = true;
    let mut course = Course::started(definition);
    course.fails(0);
    assert_eq!(course.started.len(), 1);
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::StepFailed)));
    let not_ok = &course.state.steps[0].items.not_ok;
    assert_eq!([1, 2].map(|item| not_ok.get(item)), [Some(Mark::Untried); 2]);
}

#[test]
fn what_a_stop_kept_from_starting_runs_when_the_run_goes_on_and_it_has_its_whole_time_again() {
    let mut definition = chain(3, EffectClass::Idempotent);
    definition.timeout = Millis::seconds(600);
    let mut course = Course::started(definition);
    course.pass(Millis::seconds(400));
    course.arrive(Event::TimerFired { timer: Timer::Run });
    course.fails(0);
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::Timeout)));
    let redo = reopen::plan(&course.definition, &course.state, Selection::All).unwrap();
    course.arrive(Event::RunReopened { by: "ada".to_owned(), redo });
    assert_eq!(course.timers, BTreeMap::from([(Timer::Queue, DAY)]), "queued like a new one");
    course.arrive(Event::HoldGranted);
    assert_eq!(course.timers[&Timer::Run], Millis::seconds(600));
    for _ in 0..3 {
        course.done(0);
    }
    assert_eq!(course.started.len(), 4, "the one that was stopped, and all three");
    assert_eq!(course.outcome(), Some(Outcome::Succeeded));
}

#[test]
fn what_waits_for_a_place_when_the_run_stops_never_began() {
    for fans_out in [false, true] {
        let mut definition = chain(2, EffectClass::Once);
        if fans_out {
            definition.steps[0].for_each = fan_out().steps[0].for_each.clone();
        }
        let mut course = Course::queued(definition);
        course.free = 0;
        course.arrive(Event::HoldGranted);
        course.cancel();
        for step in [0, 1] {
            assert_eq!(course.end(step), Some(StepEnd::Blocked(BlockCause::Cancelled)));
        }
        assert_eq!(course.state.steps[0].failure, None);
        assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::Cancelled)));
        course.free = 9;
        course.again();
        let items: &[u32] = if fans_out { &[0, 1, 2, 0] } else { &[0, 0] };
        for item in items {
            course.done(*item);
        }
        assert_eq!(course.outcome(), Some(Outcome::Succeeded), "it begins when the run goes on");
    }
}

#[test]
fn a_step_that_a_stop_ends_says_that_and_nothing_of_a_number_of_items() {
    let mut definition = fan_out();
    definition.steps[0].for_each.as_mut().unwrap().max_failed = Some(Share::Count(0));
    let mut course = Course::started(definition);
    course.cancel();
    course.done(0);
    assert_eq!(course.end(0), Some(StepEnd::Failed), "two of three were not tried");
    let failure = course.state.steps[0].failure.clone().unwrap();
    assert_eq!(failure.class, Class::Cancelled, "{failure}");
}

#[test]
fn an_if_is_asked_again_when_what_its_step_needs_is_done_again() {
    let mut definition = chain(2, EffectClass::Idempotent);
    definition.steps[1].run_when = RunWhen::Done;
    definition.steps[1].condition = Some(ExpressionId(0));
    let mut course = Course::started(definition);
    course.fails(0);
    course.done(0);
    assert_eq!((course.gates, course.end(1)), (1, Some(StepEnd::Succeeded)));
    // It told of a failure that there is none of any more.
    course.gate = false;
    course.again();
    course.done(0);
    assert_eq!((course.gates, course.end(1)), (2, Some(StepEnd::Skipped)));
    assert_eq!(course.started.len(), 3, "the first, what told of it, and the first again");
    assert_eq!(course.outcome(), Some(Outcome::Succeeded));
}

#[test]
fn the_output_that_a_person_gives_is_the_output_of_the_step() {
    let mut course = Course::started(chain(2, EffectClass::Once));
    course.unknown(0);
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::StepFailed)));
    let output = Payload::Inline(Value::from([("id", Value::from("4711"))]));
    let (step, item, by) = (StepIndex(0), ItemIndex(0), "ada".to_owned());
    let verdict = Verdict::Done(output.clone());
    course.arrive(Event::EffectResolved { step, item, verdict, by });
    course.again();
    assert_eq!(course.end(0), Some(StepEnd::Succeeded));
    assert_eq!(course.state.steps[0].output, Some(output));
    course.done(0);
    assert_eq!((course.started.len(), course.outcome()), (2, Some(Outcome::Succeeded)));
}

#[test]
fn a_cancel_wins_over_a_timeout_and_comes_too_late_once_the_main_graph_is_final() {
    let mut course = Course::started(chain(2, EffectClass::Idempotent));
    course.arrive(Event::TimerFired { timer: Timer::Run });
    course.cancel();
    course.fails(0);
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::Cancelled)));

    let mut definition = chain(1, EffectClass::Idempotent);
    definition.outputs = Some(ExpressionId(0));
    let mut course = Course::started(definition);
    course.done(0);
    assert_eq!(course.outcome(), None, "its outputs are being evaluated");
    course.cancel();
    let answer = Answer::Outputs(Payload::empty());
    course.arrive(Event::Evaluated { question: Question::Outputs, answer });
    assert_eq!(course.outcome(), Some(Outcome::Succeeded));
}

#[test]
fn a_fan_out_that_fails_fast_goes_on_while_no_more_are_bad_than_it_allows() {
    let mut definition = fan_out();
    let fan_out = definition.steps[0].for_each.as_mut().unwrap();
    (fan_out.fail_fast, fan_out.max_failed) = (true, Some(Share::Count(1)));
    let mut course = Course::started(definition);
    course.fails(0);
    assert_eq!((course.started.len(), course.end(0)), (2, None), "one is allowed");
    course.fails(1);
    assert_eq!((course.started.len(), course.end(0)), (2, Some(StepEnd::Failed)));
    assert_eq!(course.state.steps[0].items.not_ok.get(2), Some(Mark::Untried));
}

#[test]
fn a_parent_whose_children_only_wait_for_people_waits_for_people_itself() {
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.steps[0].work = Work::Child(ChildUse {
        workflow: "kid".to_owned(),
        definition: Digest::of_bytes(b"kid"),
        writes: Writes::Nothing,
        with: None,
    });
    definition.timeout = Millis::seconds(600);
    let mut course = Course::started(definition);
    let (step, item) = (StepIndex(0), ItemIndex(0));
    course.pass(Millis::seconds(100));
    course.arrive(Event::ChildIdle { step, item, idle: true });
    assert_eq!((course.state.slots, course.timers.get(&Timer::Run)), (Slots::GivenBack, None));
    course.pass(DAY);
    course.another_process();
    assert_eq!(course.timers, BTreeMap::new(), "its time stands still");
    course.arrive(Event::ChildIdle { step, item, idle: false });
    assert!(course.state.wants_slots());
    course.arrive(Event::HoldGranted);
    assert_eq!(course.timers[&Timer::Run], Millis::seconds(500), "the day was not its own");
    let (outcome, output, in_doubt) = (Outcome::Succeeded, Payload::empty(), false);
    course.arrive(Event::ChildFinished { step, item, outcome, output, in_doubt });
    assert_eq!(course.outcome(), Some(Outcome::Succeeded));
}

#[test]
fn a_step_that_is_not_wanted_any_more_is_skipped_with_its_items_and_not_over_what_is_in_doubt() {
    for in_doubt in [false, true] {
        let mut definition = chain(2, EffectClass::Once);
        definition.steps[1].run_when = RunWhen::Done;
        definition.steps[1].condition = Some(ExpressionId(0));
        definition.steps[1].for_each = fan_out().steps[0].for_each.clone();
        let mut course = Course::started(definition);
        course.fails(0);
        course.done(0);
        if in_doubt {
            course.unknown(1);
        } else {
            course.done(1);
        }
        course.done(2);
        course.gate = false;
        course.again();
        course.done(0);
        let counts = course.state.steps[1].items.counts;
        if in_doubt {
            assert_eq!(course.end(1), Some(StepEnd::Failed), "nobody knows what became of one");
            assert_eq!((counts.unknown, counts.untried), (1, 2));
        } else {
            assert_eq!(course.end(1), Some(StepEnd::Skipped));
            assert_eq!((counts.skipped, counts.untried), (3, 0));
            assert_eq!(course.outcome(), Some(Outcome::Succeeded));
        }
    }
}

#[test]
fn a_kill_while_the_outputs_are_made_stops_the_end_and_counts_as_that() {
    let mut definition = chain(2, EffectClass::Idempotent);
    definition.steps[0].needed_by.clear();
    definition.steps[1].needs.clear();
    definition.finally = Some(Finally { first: StepIndex(1), timeout: Millis::seconds(60) });
    definition.outputs = Some(ExpressionId(0));
    let mut course = Course::started(definition);
    course.done(0);
    course.arrive(Event::CancelRequested { how: CancelKind::Kill, by: "ada".to_owned() });
    assert_eq!(course.end(1), Some(StepEnd::Blocked(BlockCause::Cancelled)));
    assert_eq!(course.outcome(), Some(Outcome::Failed(Reason::StepFailed)));
}
