//! `plan`: what a stored plan would change.

use std::process::ExitCode;

use holdfast_contract::plan::{Change, Plan, Sort};
use holdfast_contract::records::{Approval, ApprovalVerdict};
use holdfast_kernel::value::Value;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::{PlanWhat, Submission};
use crate::commands::drive;
use crate::compose::parts;
use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::targets::LocalTargets;
use crate::time;

/// How many changes are read with one question.
const PAGE: u32 = 1_000;

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    plan: ShownPlan<'a>,
    /// What people said of it, the oldest first.
    approvals: Vec<Approval>,
    /// Why it may not be applied by whoever asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct ShownPlan<'a> {
    id: &'a str,
    digest: String,
    run: String,
    target: &'a str,
    identity: &'a str,
    backup_set: &'a str,
    made_at: String,
    expires_at: String,
    counts: holdfast_contract::plan::PlanCounts,
}

/// Makes or looks at a plan.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn perform(
    what: &PlanWhat,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    match what {
        PlanWhat::Create { target, from, backup_set, names, delete, in_repository } => {
            let mut inputs = vec![format!("target={target}"), format!("delete={delete}")];
            let given = [("from", from), ("backup_set", backup_set)];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
            inputs.extend(given.map(|(name, value)| format!("{name}={value}")));
            if !names.is_empty() {
                let names = serde_json::to_string(names).map_err(|error| {
                    Error::internal(format!("The names cannot be handed on: {error}."))
                })?;
                inputs.push(format!("names={names}"));
            }
            let workflow = "files/preview".to_owned();
            let in_repository = in_repository.clone();
            drive::run(&Submission { workflow, inputs, in_repository }, settings, output)
        }
        PlanWhat::Show { plan, path } => {
            look((plan, path.as_deref()), Look::List, settings, output)
        }
        PlanWhat::Diff { plan, path } => {
            look((plan, path.as_deref()), Look::Diff, settings, output)
        }
    }
}

/// What is shown of a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Its changes, a line each.
    List,
    /// What differs.
    Diff,
}

fn look(
    (plan, path): (&str, Option<&str>),
    look: Look,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let plan = find(&access, plan)?;
    let is_wanted = |change: &Change| path.is_none_or(|path| change.key.starts_with(path));
    let changes = changes(&access, &plan);
    let changes = changes.filter(|change| change.as_ref().map_or(true, is_wanted));
    if output.is_json() {
        let changes = changes.collect::<Result<_, _>>()?;
        let approvals = approvals(&access, &plan)?;
        let missing = missing(&approvals, &plan, settings);
        output.json(&Whole { plan: shown(&plan), approvals, missing, changes })?;
        return Ok(ExitCode::SUCCESS);
    }
    if look == Look::Diff {
        for change in changes {
            differences(&change?, output);
        }
        return Ok(ExitCode::SUCCESS);
    }
    head(&plan, output);
    let approvals = approvals(&access, &plan)?;
    words(&approvals, output);
    for change in changes {
        output.line(line(&change?));
    }
    output.talk(format!("What differs in files: holdfast plan diff {}", plan.id));
    if let Some(missing) = missing(&approvals, &plan, settings) {
        output.talk(format!(
            "Not yet to be applied by you: {missing}. Another person says: holdfast approve {}",
            plan.id
        ));
    }
    output.talk(format!(
        "To apply exactly this: holdfast run files/restore --input plan={}",
        plan.id
    ));
    Ok(ExitCode::SUCCESS)
}

fn differences(change: &Change, output: Output) {
    output.line(format!("{} {}", change.sort.word(), change.name));
    for line in change.diff.lines() {
        output.line(format!("  {line}"));
    }
}

/// The plan that an id, or the beginning of one, names.
///
/// # Errors
/// It names none, or several.
pub(super) fn find(access: &Access, beginning: &str) -> Result<Plan, Error> {
    let mut found: Vec<Plan> = access.ask(Ask::Plans { beginning: beginning.to_owned() })?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::usage(format!("There is no plan `{beginning}` in this state directory."))
            .hint("A preview makes one: `holdfast run files/preview --input target=...`.")),
        _ => {
            let error = Error::usage(format!("`{beginning}` is the beginning of several plans."));
            Err(found.iter().fold(error, |error, plan| error.hint(plan.id.to_string())))
        }
    }
}

/// The changes of a plan, read as they are asked for.
fn changes<'a>(
    access: &'a Access,
    plan: &'a Plan,
) -> impl Iterator<Item = Result<Change, Error>> + 'a {
    let mut from = 0;
    let mut ready = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if let Some(change) = ready.next() {
            return Some(change);
        }
        if from >= plan.changes.count {
            return None;
        }
        let asked = access.ask(Ask::Changes { plan: plan.id.clone(), from, limit: PAGE });
        let part: Vec<Value> = match asked {
            Ok(part) => part,
            Err(error) => {
                from = plan.changes.count;
                return Some(Err(error));
            }
        };
        from = from.saturating_add(PAGE);
        let read = |value: Value| {
            Change::from_value(&value).map_err(|failure| {
                let message = format!("A change of {} cannot be read: {failure}.", plan.id);
                Error::unavailable(message)
            })
        };
        ready = part.into_iter().map(read).collect::<Vec<_>>().into_iter();
        ready.next()
    })
}

fn approvals(access: &Access, plan: &Plan) -> Result<Vec<Approval>, Error> {
    access.ask(Ask::Approvals { plan: plan.id.to_string() })
}

/// Why a plan may not be applied by whoever asks, if it may not.
fn missing(approvals: &[Approval], plan: &Plan, settings: &Settings) -> Option<String> {
    let (targets, roles, person) =
        (LocalTargets::new(settings), settings.roles(), environment::user());
    let mut policies = targets.policies(&plan.target.name).into_iter();
    policies.find_map(|wanted| roles.approved(approvals, wanted, &person).err())
}

/// What people said of a plan.
fn words(approvals: &[Approval], output: Output) {
    for one in approvals {
        let verdict = match one.verdict {
            ApprovalVerdict::Approved => "approved",
            ApprovalVerdict::Rejected => "rejected",
        };
        let comment =
            if one.comment.is_empty() { String::new() } else { format!(": {}", one.comment) };
        output.line(format!("{verdict:<10} {} by {}{comment}", time::local(one.at), one.by));
    }
}

fn shown(plan: &Plan) -> ShownPlan<'_> {
    ShownPlan {
        id: plan.id.as_str(),
        digest: plan.digest.to_string(),
        run: plan.run.to_string(),
        target: &plan.target.name,
        identity: &plan.target.identity,
        backup_set: &plan.backup_set,
        made_at: time::utc(plan.made_at),
        expires_at: time::utc(plan.expires_at),
        counts: plan.counts,
    }
}

fn head(plan: &Plan, output: Output) {
    let counts = &plan.counts;
    output.line(plan.id.to_string());
    output.line(format!("target     {} ({})", plan.target.name, plan.target.identity));
    output.line(format!("from       {}", plan.backup_set));
    output.line(format!("made       {} by {}", time::local(plan.made_at), plan.run));
    output.line(format!("expires    {}", time::local(plan.expires_at)));
    output.line(format!(
        "changes    {} to create, {} to update, {} to delete, {} blocked; {} to write; {} unchanged",
        counts.create,
        counts.update,
        counts.delete,
        counts.blocked,
        time::bytes(counts.bytes),
        counts.unchanged
    ));
    output.line("");
}

fn line(change: &Change) -> String {
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), time::bytes);
    let sizes = match change.sort {
        Sort::Create => size(change.new_bytes),
        Sort::Delete => size(change.old_bytes),
        Sort::Update | Sort::None | Sort::Blocked => {
            format!("{} -> {}", size(change.old_bytes), size(change.new_bytes))
        }
    };
    let short = |digest: Option<holdfast_kernel::id::Digest>| {
        digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string().chars().take(8).collect())
    };
    let reason =
        if change.reason.is_empty() { String::new() } else { format!("  ({})", change.reason) };
    format!(
        "{:<7}  {:<4}  {:<13}  {} -> {}  {sizes:>22}  {}{reason}",
        change.sort.word(),
        change.risk.word(),
        change.kind,
        short(change.live),
        short(change.wanted),
        change.name,
    )
}
