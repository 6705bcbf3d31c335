//! Runs that the kernel cannot go on with: a bug in it stops one run and no other.
//!
//! Such a run decides nothing more. It is ended from outside once its attempts are over, as failed, visibly.

use std::collections::BTreeSet;

use holdfast_kernel::event::{CancelKind, Event};
use holdfast_kernel::id::{AttemptId, RunId};
use holdfast_kernel::status::{Outcome, Reason};

use crate::output::Output;
use crate::turn::{Drive, Told};

impl Drive {
    /// The kernel cannot go on with a run. It is ended from outside once its attempts are over.
    pub(crate) fn quarantine(&mut self, run: RunId, reason: String) {
        let Some(active) = self.runs.get(&run) else { return };
        let in_flight: BTreeSet<AttemptId> = active.state.in_flight.keys().copied().collect();
        let steps = active.state.steps.iter();
        let open = steps.flat_map(|step| step.items.open.values());
        let children: Vec<RunId> = open.filter_map(|open| open.stage.child()).collect();
        self.output(Output::Quarantined { run, reason });
        for child in children {
            // Nobody follows them any more.
            let by = run.to_string();
            let event = Event::CancelRequested { by, how: CancelKind::Cancel };
            self.to_relatives.push_back(Told { run: child, of: run, event });
        }
        self.quarantined.insert(run, in_flight);
        self.end_quarantined(run);
    }

    pub(crate) fn quarantined_happened(&mut self, run: RunId, event: &Event) {
        let over = match event {
            Event::AttemptSucceeded { attempt, .. }
            | Event::AttemptFailed { attempt, .. }
            | Event::AttemptLost { attempt, .. }
            | Event::AttemptInterrupted { attempt, .. } => *attempt,
            _ => return,
        };
        if let Some(open) = self.quarantined.get_mut(&run) {
            open.remove(&over);
        }
        self.end_quarantined(run);
    }

    /// Ends a quarantined run whose attempts are over, and forgets it.
    fn end_quarantined(&mut self, run: RunId) {
        if !self.quarantined.get(&run).is_some_and(BTreeSet::is_empty) {
            return;
        }
        let outcome = Outcome::Failed(Reason::Internal);
        self.record(run, vec![Event::RunFinished { outcome }]);
        self.tell_parent(run, outcome);
        self.quarantined.remove(&run);
        if let Some(active) = self.runs.remove(&run) {
            self.claims.remove(&active.state.request.dedupe_key);
            self.ticking.leave(&active.state);
            self.queued.remove(&(active.state.queued_at, run));
            self.queued_children.remove(&(active.state.queued_at, run));
        }
        self.started.remove(&run);
        self.output(Output::Ended { run, outcome });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast_contract::evaluate::{Evaluate, ListSink, Listed, Scope};
    use holdfast_contract::list::ListedItem;
    use holdfast_journal::database::Check;
    use holdfast_journal::record::StoredDefinition;
    use holdfast_journal::resume::open;
    use holdfast_kernel::command::Command;
    use holdfast_kernel::definition::Definition;
    use holdfast_kernel::event::{ApprovalAsk, Completeness, Question};
    use holdfast_kernel::failure::{Class, Failure};
    use holdfast_kernel::id::{Digest, Instant, ItemIndex, Millis, StepIndex};
    use holdfast_kernel::payload::Payload;
    use holdfast_kernel::ranges::RangeSet;
    use holdfast_kernel::value::Value;
    use holdfast_simulation::disk::SimulatedDisk;

    use super::*;
    use crate::grants::Limits;
    use crate::input::{Input, Program, Submit, Token};

    const DEFINITION: &str = r#"{"name":"w","operation":"maintenance","timeout":3600000,"steps":[{"id":"a",
"work":{"action":{"action":"x","version":1,"effect":"idempotent","writes":"nothing","on_target":false}},
"for_each":{"items":0,"as":"item","batch":1,"min_items":0,"fail_fast":false},
"needs":[],"needed_by":[],"run_when":"ok","retry":{"attempts":1,"delay":2000,
"backoff_thousandths":2000,"max_delay":60000,"when":[]},"on_failure":"fail"}],"expressions":[null]}"#;

    /// Four items, all at once.
    struct Four;

    impl Evaluate for Four {
        fn reads_results(&self, _question: Question) -> bool {
            false
        }

        fn gate(&self, _scope: &dyn Scope, _step: StepIndex) -> Result<bool, Failure> {
            Ok(true)
        }

        fn items(
            &self,
            _: &dyn Scope,
            _: StepIndex,
            sink: &mut dyn ListSink,
        ) -> Result<Listed, Failure> {
            for item in 0..4_u64 {
                let (key, value) = (format!("k{item}"), Value::from(item));
                sink.push(ListedItem { key, stage: 0, value })?;
            }
            let (excluded, stages) = (RangeSet::new(), vec![ItemIndex(0)]);
            Ok(Listed { total: 4, excluded, stages, max_parallel: 4 })
        }

        fn pause(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<Millis, Failure> {
            Ok(Millis(1))
        }

        fn approval(
            &self,
            _: &dyn Scope,
            _: StepIndex,
            _: ItemIndex,
        ) -> Result<ApprovalAsk, Failure> {
            Err(Failure::without_effect(Class::Internal, "nobody is asked"))
        }

        fn outputs(&self, _scope: &dyn Scope) -> Result<Value, Failure> {
            Ok(Value::None)
        }

        fn with(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<Value, Failure> {
            Ok(Value::None)
        }

        fn env(
            &self,
            _: &dyn Scope,
            _: StepIndex,
            _: ItemIndex,
        ) -> Result<Vec<(String, String)>, Failure> {
            Ok(Vec::new())
        }
    }

    /// Takes every batch as durable, and gives what is released.
    fn release(drive: &mut Drive) -> Vec<Output> {
        let mut released = Vec::new();
        while let Some(batch) = drive.take_batch() {
            released.extend(drive.committed(batch.sequence));
        }
        released.extend(drive.take_ready());
        released
    }

    fn started(outputs: &[Output]) -> Vec<AttemptId> {
        let attempt = |output: &Output| match output {
            Output::Command { command: Command::StartAttempt { attempt, .. }, .. } => {
                Some(*attempt)
            }
            _ => None,
        };
        outputs.iter().filter_map(attempt).collect()
    }

    #[test]
    fn a_run_that_a_bug_stopped_gets_no_place_and_ends_with_its_last_attempt() {
        let opened = open(Arc::new(SimulatedDisk::new()), "state", Check::Quick).unwrap();
        let limits = Limits { attempts: 1, ..Limits::default() };
        let mut drive = Drive::new(limits, opened.payloads, 1, None);
        let definition: Definition = serde_json::from_str(DEFINITION).unwrap();
        let request = holdfast_simulation::host::request(1);
        let run = request.run;
        let stored = StoredDefinition {
            digest: Digest::of_bytes(b"definition"),
            text: String::new(),
            lowered: String::new(),
        };
        let program = Program { definition: Arc::new(definition), language: Arc::new(Four) };
        let submit = Submit { request, stored: vec![stored], program, token: Token(0) };
        drive.accept(Input::Submit(Box::new(submit)), Instant(1));
        let first = started(&release(&mut drive));
        assert_eq!(first.len(), 1, "one place for four items");
        drive.quarantine(run, "a bug".to_owned());
        drive.limits.attempts = 4;
        drive.begin(Instant(2));
        assert_eq!(started(&release(&mut drive)), [], "three items still want a place");
        let event = Event::AttemptSucceeded {
            attempt: first[0],
            item: ItemIndex(0),
            output: Payload::empty(),
            completeness: Completeness::Whole,
        };
        drive.accept(Input::Event { run, event }, Instant(3));
        let ended = |output: &Output| match output {
            Output::Ended { run: of, outcome } => Some((*of, *outcome)),
            _ => None,
        };
        let ends: Vec<_> = release(&mut drive).iter().filter_map(ended).collect();
        assert_eq!(ends, [(run, Outcome::Failed(Reason::Internal))]);
    }
}
