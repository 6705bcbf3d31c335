//! Answers the kernel's questions within a turn, by the language of the run.

use std::sync::Arc;

use holdfast_contract::evaluate::{Evaluate, Scope};
use holdfast_journal::lists::ListWriter;
use holdfast_journal::payloads::Payloads;
use holdfast_kernel::event::{Answer, Event, Listing, Question};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::StepIndex;

use crate::scope::unreadable;

/// The event that answers a question. What it refers to is in the payload file, and durable before the event.
pub fn answer(
    language: &dyn Evaluate,
    scope: &dyn Scope,
    payloads: &Arc<Payloads>,
    question: Question,
) -> Event {
    let run = scope.state().run();
    let answer = match question {
        Question::Gate(step) => language.gate(scope, step).map(Answer::Boolean),
        Question::Pause(step, item) => language.pause(scope, step, item).map(Answer::Duration),
        Question::Outputs => language.outputs(scope).and_then(|outputs| {
            let stored = payloads.keep(run, outputs).map_err(|error| unreadable(&error))?;
            Ok(Answer::Outputs(stored))
        }),
        Question::Approval(step, item) => match language.approval(scope, step, item) {
            Ok(ask) => {
                let ask = Box::new(ask);
                return Event::ApprovalRequested { step, item, ask };
            }
            Err(failure) => Err(failure),
        },
        Question::Items(step) => match list(language, scope, payloads, step) {
            Ok(listing) => return Event::ItemsListed { step, listing },
            Err(failure) => Err(failure),
        },
    };
    Event::Evaluated { question, answer: answer.unwrap_or_else(Answer::Failed) }
}

fn list(
    language: &dyn Evaluate,
    scope: &dyn Scope,
    payloads: &Arc<Payloads>,
    step: StepIndex,
) -> Result<Listing, Failure> {
    let run = scope.state().run();
    let mut list = ListWriter::new(Arc::clone(payloads), run);
    let listed = language.items(scope, step, &mut list)?;
    let list = list.finish().map_err(|error| error.failure())?;
    Ok(Listing {
        list: (listed.total > 0).then_some(list.directory),
        total: listed.total,
        excluded: listed.excluded,
        stages: listed.stages,
        max_parallel: listed.max_parallel,
    })
}
