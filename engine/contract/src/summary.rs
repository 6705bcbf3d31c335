//! A run in a few lines, for a message to people: what `run.summary` and `notify` say.

use holdfast_kernel::definition::Definition;
use holdfast_kernel::state::RunState;
use holdfast_kernel::status::{StepEnd, run_outcome};

/// How many failures it lists.
const FAILURES: usize = 3;

/// The workflow, its target and status, what did not go well, and the command to see more.
pub fn summary(definition: &Definition, state: &RunState) -> String {
    let request = &state.request;
    let of = request.target.as_ref().map(|target| format!(" of {}", target.name));
    let outcome = run_outcome(definition, state);
    let why = outcome.reason().map(|reason| format!(" ({})", reason.word()));
    let (of, why) = (of.unwrap_or_default(), why.unwrap_or_default());
    let mut lines = vec![format!("{}{of}: {}{why}", definition.name, outcome.status().word())];
    let steps = definition.steps.iter().zip(&state.steps);
    let bad = steps.filter_map(|(step, state)| match state.phase.end()? {
        StepEnd::Failed | StepEnd::Partial => Some((step, state)),
        StepEnd::Succeeded | StepEnd::Skipped | StepEnd::Blocked(_) => None,
    });
    for (step, state) in bad.take(FAILURES) {
        let counts = &state.items.counts;
        let items = if step.for_each.is_some() {
            let whole = counts.succeeded;
            format!(" ({whole} of {} items succeeded)", counts.wanted())
        } else {
            String::new()
        };
        let failure = state.failure.as_ref().map(|failure| format!(": {failure}"));
        let end = state.phase.end().map_or("", StepEnd::word);
        lines.push(format!("{} {end}{items}{}", step.id, failure.unwrap_or_default()));
    }
    lines.push(format!("holdfast show {}", request.run));
    lines.join("\n")
}
