//! The kernel on random graphs and random outcomes: the invariants after every event, the final word against
//! an independent reading of the rules, the items against the ground truth, and going on from any prefix.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use holdfast_kernel::decide::Places;
use holdfast_kernel::event::{Event, Verdict};
use holdfast_kernel::id::{ItemIndex, Millis, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::reopen::{NotReopenable, Selection, plan};
use holdfast_kernel::state::Mark;
use holdfast_kernel::status::{Outcome, Reason};
use holdfast_simulation::chance::Chance;
use holdfast_simulation::checker::{check_outcome, check_truth};
use holdfast_simulation::graph::{Children, Size, definition};
use holdfast_simulation::host::{Host, replay};
use holdfast_simulation::outside::Outside;
use holdfast_simulation::script::Script;

const SEEDS: u64 = 3_000;

fn host(seed: u64) -> Host {
    let mut chance = Chance::new(seed);
    let definition = definition(&mut chance, Size { steps: 7, children: Children::Some });
    definition.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let places = Places { process: 1 + chance.small(6), target: 1 + chance.small(4) };
    let script = Script { seed, most_items: 9 };
    Host::start(definition, script, places).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

fn check(mut host: Host, seed: u64) {
    let fail = |what: String| -> ! { panic!("seed {seed}: {what}") };
    host.finish().unwrap_or_else(|what| fail(what));
    host.outside.settle_world();
    let answers = host.outside.answers();
    check_outcome(&host.definition, &host.state, answers).unwrap_or_else(|what| fail(what));
    check_truth(&host.definition, &host.state, &host.outside.world)
        .unwrap_or_else(|what| fail(what));
    let replayed = replay(&host.definition, &host.journal).unwrap_or_else(|what| fail(what));
    assert_eq!(replayed, host.state, "seed {seed}: the journal folds to another state");
}

#[test]
fn every_run_ends_as_the_rules_say_and_as_the_world_saw_it() {
    (0..SEEDS).for_each(|seed| check(host(seed), seed));
}

#[test]
fn a_run_goes_on_from_any_prefix_of_its_journal() {
    for seed in 0..SEEDS / 3 {
        let mut chance = Chance::new(seed ^ 0xdead);
        let mut host = host(seed);
        let mut deaths = 1 + chance.below(4);
        while !host.state.is_finished() {
            if deaths > 0 && chance.percent(15) {
                deaths -= 1;
                host.die(&mut chance).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            } else if !host.step().unwrap_or_else(|what| panic!("seed {seed}: {what}")) {
                break;
            }
        }
        check(host, seed);
    }
}

#[test]
fn a_state_is_the_same_after_being_stored() {
    for seed in 0..SEEDS / 10 {
        let mut host = host(seed);
        for _ in 0..seed % 40 {
            host.step().unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        }
        let stored = serde_json::to_vec(&host.state).expect("a state is stored as JSON");
        let read: holdfast_kernel::state::RunState =
            serde_json::from_slice(&stored).expect("it reads back");
        assert_eq!(read, host.state, "seed {seed}");
    }
}

/// A person looks at the world and says of every effect in doubt whether it happened.
fn resolve_all(host: &mut Host) -> Result<(), String> {
    let mut doubts = Vec::new();
    for (index, _) in host.definition.numbered() {
        let items = &host.state.step(index).ok_or("a step has no state")?.items;
        for (range, mark) in items.not_ok.iter().filter(|(_, mark)| *mark == Mark::Unknown) {
            assert_eq!(mark, Mark::Unknown);
            doubts.extend(range.map(|item| (index, ItemIndex(item), items.epoch(ItemIndex(item)))));
        }
    }
    for (step, item, epoch) in doubts {
        let key = Outside::key(&host.definition, host.state.run(), step, item, epoch);
        let happened = host.outside.world.truth(key).happened > 0;
        let verdict = if happened { Verdict::Done(Payload::empty()) } else { Verdict::NotDone };
        host.arrive(Event::EffectResolved { step, item, verdict, by: "a person".to_owned() })?;
    }
    Ok(())
}

/// All that is not ok, one step, or one item.
fn selection(host: &Host, chance: &mut Chance) -> Selection {
    let steps = u32::try_from(host.definition.steps.len()).unwrap_or(1);
    let step = StepIndex(chance.small(steps - 1));
    match chance.below(4) {
        0 | 1 => Selection::All,
        2 => Selection::Step(step),
        _ => {
            let items = host.state.step(step).map_or(0, |step| step.items.total);
            Selection::Item(step, ItemIndex(chance.small(items.max(1) - 1)))
        }
    }
}

fn done_again(seed: u64) -> Result<u32, String> {
    let mut host = host(seed);
    let mut chance = Chance::new(seed ^ 0xbeef);
    host.finish()?;
    let mut periods = 0;
    for _ in 0..4 {
        host.outside.settle_world();
        if chance.percent(60) {
            resolve_all(&mut host)?;
        }
        let selection = selection(&host, &mut chance);
        let redo = match plan(&host.definition, &host.state, selection) {
            Ok(redo) => redo,
            Err(NotReopenable::NothingToDo | NotReopenable::OnlyUnknown)
                if selection != Selection::All =>
            {
                continue;
            }
            Err(NotReopenable::NothingToDo | NotReopenable::OnlyUnknown) => break,
            Err(NotReopenable::Active) => return Err("an ended run is called active".to_owned()),
        };
        periods += 1;
        host.arrive(Event::RunReopened { by: "a person".to_owned(), redo })?;
        host.arrive(Event::HoldGranted)?;
        while !host.state.is_finished() {
            if chance.percent(4) {
                host.die(&mut chance)?;
            } else if !host.step()? {
                return Err("nothing is on its way and the run has not ended".to_owned());
            }
        }
    }
    check(host, seed);
    Ok(periods)
}

#[test]
fn a_run_done_again_never_doubles_an_effect() {
    let periods: u32 = (0..SEEDS)
        .map(|seed| done_again(seed).unwrap_or_else(|what| panic!("seed {seed}: {what}")))
        .sum();
    assert!(u64::from(periods) > SEEDS / 2, "most runs had something to do again: {periods}");
}

#[test]
fn a_run_that_a_bug_stopped_is_done_again_without_doubling() {
    for seed in 0..SEEDS {
        let mut host = host(seed);
        let fail = |what: String| -> ! { panic!("seed {seed}: {what}") };
        for _ in 0..seed % 30 {
            host.step().unwrap_or_else(|what| fail(what));
        }
        if host.state.is_finished() {
            continue;
        }
        let outcome = Outcome::Failed(Reason::Internal);
        host.arrive(Event::RunFinished { outcome }).unwrap_or_else(|what| fail(what));
        host.outside.forget(Millis(10));
        host.outside.settle_world();
        resolve_all(&mut host).unwrap_or_else(|what| fail(what));
        let Ok(redo) = plan(&host.definition, &host.state, Selection::All) else { continue };
        let reopened = Event::RunReopened { by: "a person".to_owned(), redo };
        host.arrive(reopened).unwrap_or_else(|what| fail(what));
        host.arrive(Event::HoldGranted).unwrap_or_else(|what| fail(what));
        check(host, seed);
    }
}
