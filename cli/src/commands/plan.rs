//! `plan`: what a stored plan would change.

use std::process::ExitCode;

use holdfast_contract::plan::{Change, Plan, Sort};
use holdfast_journal::lists::ListReader;
use holdfast_kernel::value::Value;
use serde::Serialize;

use crate::arguments::PlanWhat;
use crate::compose::{parts, undriven};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    plan: ShownPlan<'a>,
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

/// Looks at a plan.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn perform(
    what: &PlanWhat,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let PlanWhat::Show { plan, path } = what;
    let parts = parts(settings, output);
    let state = undriven(settings, &parts)?;
    let found = state.offline.reader.plans_starting_with(plan);
    let mut found = found.map_err(|error| super::unreadable(&error))?;
    let plan = match found.len() {
        1 => found.remove(0),
        0 => {
            return Err(Error::usage(format!(
                "There is no plan `{plan}` in this state directory."
            ))
            .hint("A preview makes one: `holdfast run files/preview --input target=...`."));
        }
        _ => {
            let error = Error::usage(format!("`{plan}` is the beginning of several plans."));
            return Err(found.iter().fold(error, |error, plan| error.hint(plan.id.to_string())));
        }
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::unavailable(format!("The changes of {} cannot be read: {error}.", plan.id))
    };
    let bodies = std::sync::Arc::clone(&state.offline.bodies);
    let list = ListReader::<Value>::open(bodies, plan.run, &plan.changes)
        .map_err(|error| unreadable(&error))?;
    let is_wanted =
        |change: &Change| path.as_ref().is_none_or(|path| change.key.starts_with(path.as_str()));
    let changes = list.iter().map(|value| {
        let value = value.map_err(|error| unreadable(&error))?;
        Change::from_value(&value).map_err(|failure| unreadable(&failure))
    });
    let changes = changes.filter(|change| change.as_ref().map_or(true, is_wanted));
    if output.is_json() {
        let changes = changes.collect::<Result<_, _>>()?;
        output.json(&Whole { plan: shown(&plan), changes })?;
        return Ok(ExitCode::SUCCESS);
    }
    head(&plan, output);
    for change in changes {
        output.line(line(&change?));
    }
    output.talk(format!(
        "To apply exactly this: holdfast run files/restore --input plan={}",
        plan.id
    ));
    Ok(ExitCode::SUCCESS)
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
