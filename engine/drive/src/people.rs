//! What people want of an active run: that it ends, or their word on what they are asked.

use holdfast_contract::time::written;
use holdfast_kernel::decide::Places;
use holdfast_kernel::event::{CancelKind, Event, Timer};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::OpenStage;
use holdfast_kernel::value::Value;

use crate::input::{Ask, Token, Word};
use crate::output::{Refusal, Reply};
use crate::scope::unreadable;
use crate::turn::Drive;

impl Drive {
    /// Does what somebody wants of an active run, or says why not.
    pub(crate) fn ask(&mut self, run: RunId, ask: Ask, by: &str, token: Token) {
        let done = if self.quarantined.contains_key(&run) || !self.runs.contains_key(&run) {
            Err(Refusal::Ended)
        } else {
            match ask {
                Ask::Cancel(how) => {
                    self.cancel(run, how, by);
                    Ok(())
                }
                Ask::Answer { step, item, word } => self.word(run, (step, item), word, by),
            }
        };
        self.reply(token, done.map_or_else(Reply::Refused, |()| Reply::Done));
    }

    fn cancel(&mut self, run: RunId, how: CancelKind, by: &str) {
        let what = match how {
            CancelKind::Cancel => "Cancelled the run.",
            CancelKind::Kill => "Killed the run.",
        };
        self.audit(run, by, what.to_owned());
        self.happened(run, Event::CancelRequested { by: by.to_owned(), how });
    }

    /// A person answers what they were asked.
    fn word(
        &mut self,
        run: RunId,
        (step, item): (StepIndex, ItemIndex),
        word: Word,
        by: &str,
    ) -> Result<(), Refusal> {
        let active = self.runs.get(&run).ok_or(Refusal::Ended)?;
        let open = active.state.step(step).and_then(|step| step.items.open.get(&item));
        let Some(OpenStage::Awaiting { ask, until }) = open.map(|open| &open.stage) else {
            return Err(Refusal::NotAsked);
        };
        if self.stamp(Places::default()).at >= *until {
            // Its timer has not rung: nobody drove the run, or the machine slept.
            self.happened(run, Event::TimerFired { timer: Timer::Item(step, item) });
            return Err(Refusal::NotAsked);
        }
        // A plan as every other expression has it.
        let target = ask.target.clone().unwrap_or_default();
        let plan = ask
            .plan
            .clone()
            .map(|id| Value::from([("id", Value::Text(id)), ("target", Value::Text(target))]));
        let id = active.program.definition.step(step).map_or("?", |step| step.id.as_str());
        let (what, event) = match word {
            Word::Approve(comment) => {
                let at = written(self.stamp(Places::default()).at);
                let output = Value::from([
                    ("by", Value::from(by)),
                    ("at", Value::Text(at)),
                    ("comment", Value::Text(comment)),
                    ("plan", plan.unwrap_or(Value::None)),
                ]);
                let output = self.payloads.keep(run, output);
                let output =
                    output.map_err(|error| Refusal::Unreadable(unreadable(&error).message))?;
                let by = by.to_owned();
                (format!("Approved step `{id}`."), Event::ApprovalGiven { step, item, by, output })
            }
            Word::Reject(reason) => {
                let message = format!("{by} rejected it: {reason}");
                let failure = Failure::without_effect(Class::Rejected, message);
                let by = by.to_owned();
                let event = Event::ApprovalRejected { step, item, by, failure };
                (format!("Rejected step `{id}`."), event)
            }
        };
        self.audit(run, by, what);
        self.happened(run, event);
        Ok(())
    }
}
