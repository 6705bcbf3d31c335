//! `approve` and `reject`: a person's word on what a run asks, or on a plan.

use std::process::ExitCode;

use holdfast_contract::plan::Plan;
use holdfast_contract::records::{Approval, ApprovalVerdict, Keep};
use holdfast_drive::input::Word;
use holdfast_drive::output::Reply;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_runtime::clock;
use holdfast_service::wire::ask::{Act, LoadedRun};

use crate::access::Access;
use crate::arguments::{Approve, Reject};
use crate::commands::place::key_of;
use crate::commands::waits::quoted;
use crate::compose::parts;
use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::targets::LocalTargets;

/// Says yes.
///
/// # Errors
/// Nobody is asked there, it is not for this person to say, or it could not be stored.
pub(crate) fn approve(
    approve: &Approve,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let of = (approve.of.as_str(), approve.step.as_deref(), approve.item.as_deref());
    answer(of, Word::Approve(approve.comment.clone()), settings, output)
}

/// Says no.
///
/// # Errors
/// Nobody is asked there, it is not for this person to say, or it could not be stored.
pub(crate) fn reject(
    reject: &Reject,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let of = (reject.of.as_str(), reject.step.as_deref(), reject.item.as_deref());
    answer(of, Word::Reject(reject.reason.clone()), settings, output)
}

/// A run or plan, a step and an item, as people name them.
type Named<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn answer(
    (of, step, item): Named<'_>,
    word: Word,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    if of.starts_with("plan_") {
        return plan(&mut access, of, &word, (settings, output));
    }
    let run = access.find(of)?;
    let (step, item) = asked(&access, run, (step, item))?;
    let told = if matches!(word, Word::Approve(_)) { "Approved" } else { "Rejected" };
    match access.act(Act::Answer { run, step, item, word })? {
        Reply::Refused(refusal) => Err(super::refused("The answer was refused", &refusal)),
        Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Ticked(_) | Reply::Done => {
            if output.is_json() {
                output.json(&super::submit::Submitted::new(run))?;
            }
            output.talk(format!("{told}."));
            access.tell_unfinished(output);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where a run asks a person: at the step and item that are named, or at the only one that asks.
fn asked(
    access: &Access,
    run: RunId,
    (step, key): (Option<&str>, Option<&str>),
) -> Result<(StepIndex, ItemIndex), Error> {
    let loaded = access.load(run)?;
    let mut found = Vec::new();
    for (index, item) in awaiting(&loaded) {
        let id = loaded.definition.step(index).map_or("", |step| step.id.as_str());
        let key_of = key_of(access, &loaded, (index, item))?;
        let fits = step.is_none_or(|step| step == id)
            && key.is_none_or(|key| key_of.as_deref() == Some(key));
        if fits {
            found.push((index, item, id.to_owned(), key_of));
        }
    }
    match found.as_slice() {
        [(step, item, ..)] => Ok((*step, *item)),
        [] => Err(Error::rejected(format!("{run} asks for no approval there."))
            .hint(format!("`holdfast show {run}` shows what it waits for."))),
        several => {
            let error = Error::usage(format!("{run} asks for several approvals."));
            Err(several.iter().fold(error, |error, (_, _, id, key)| {
                let key = key.as_ref().map(|key| format!(" {}", quoted(key))).unwrap_or_default();
                error.hint(format!("holdfast approve {run} {id}{key}"))
            }))
        }
    }
}

/// The steps and items of a run that wait for a person.
pub(super) fn awaiting(loaded: &LoadedRun) -> Vec<(StepIndex, ItemIndex)> {
    let steps = (0..).map(StepIndex).zip(&loaded.state.steps);
    let items = steps.flat_map(|(index, step)| {
        let open = step.items.open.iter().filter(|(_, open)| open.stage.is_awaiting());
        open.map(move |(item, _)| (index, *item))
    });
    items.collect()
}

/// A word on a plan itself, whatever run asks.
fn plan(
    access: &mut Access,
    beginning: &str,
    word: &Word,
    (settings, output): (&Settings, Output),
) -> Result<ExitCode, Error> {
    let plan: Plan = super::plan::find(access, beginning)?;
    let (person, targets) = (environment::user(), LocalTargets::new(settings));
    let policies = targets.policies(&plan.target.name);
    let roles = settings.roles();
    if !policies.is_empty() && !policies.iter().any(|wanted| roles.has(&person, wanted)) {
        let wanted = policies.concat().join(" or ");
        let message = format!("The answer was refused: {wanted} is asked, and {person} is not.");
        return Err(Error::rejected(message));
    }
    let (verdict, comment, told) = match word {
        Word::Approve(comment) => (ApprovalVerdict::Approved, comment, "Approved"),
        Word::Reject(reason) => (ApprovalVerdict::Rejected, reason, "Rejected"),
    };
    let approval = Approval {
        plan: plan.id.to_string(),
        by: person.clone(),
        verdict,
        comment: comment.clone(),
        at: clock::now(),
        run: None,
    };
    let reply = access.act(Act::Keep(Box::new(Keep::Approval(approval))))?;
    if let Reply::Refused(refusal) = reply {
        return Err(super::refused("The answer was refused", &refusal));
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "plan": plan.id }))?;
    }
    output.talk(format!("{told}: {}.", plan.id));
    if !policies.is_empty() && verdict == ApprovalVerdict::Approved {
        output.talk(format!("It does not count for a restore that {person} asks for."));
    }
    Ok(ExitCode::SUCCESS)
}
