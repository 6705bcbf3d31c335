//! The list of actions: adding one touches its own file and one line here.

use std::sync::Arc;

use holdfast_contract::action::Registry;
use holdfast_contract::provider::Targets;
use holdfast_repository::prune::KeepRules;

use crate::allow::AllowedCommands;
use crate::approval::Approval;
use crate::assert::Assert;
use crate::capture::Capture;
use crate::command::Command;
use crate::inventory::Inventory;
use crate::open::Open;
use crate::plan_apply::Apply;
use crate::plan_compare::Compare;
use crate::plan_freeze::Freeze;
use crate::plan_open::OpenPlan;
use crate::plan_report::Report;
use crate::plans::Plans;
use crate::prune::Prune;
use crate::repositories::Repositories;
use crate::seal::Seal;
use crate::sleep::Sleep;
use crate::verify::Verify;

/// Every action of this version.
pub fn standard(
    allowed: AllowedCommands,
    targets: &Arc<dyn Targets>,
    repositories: &Arc<Repositories>,
    keep: Option<KeepRules>,
) -> Registry {
    let plans = Arc::new(Plans::default());
    let (targets, sets) = (|| Arc::clone(targets), || Arc::clone(repositories));
    Registry::new(vec![
        Arc::new(Approval),
        Arc::new(Assert),
        Arc::new(Command::new(allowed)),
        Arc::new(Sleep),
        Arc::new(Inventory::new(targets())),
        Arc::new(Capture::new(targets(), sets())),
        Arc::new(Seal::new(targets(), sets())),
        Arc::new(Open::new(sets())),
        Arc::new(Verify::new(sets())),
        Arc::new(Compare::new(targets(), sets())),
        Arc::new(Freeze::new(sets())),
        Arc::new(OpenPlan::new(Arc::clone(&plans))),
        Arc::new(Apply::new(targets(), sets(), plans)),
        Arc::new(Report),
        Arc::new(Prune::new(sets(), keep)),
    ])
}
