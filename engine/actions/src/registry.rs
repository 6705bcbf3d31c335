//! The list of actions: adding one touches its own file and one line here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_contract::action::Registry;
use holdfast_contract::provider::Targets;
use holdfast_repository::prune::KeepRules;

use crate::allow::AllowedCommands;
use crate::approval::Approval;
use crate::assert::Assert;
use crate::attest::Attest;
use crate::capture::Capture;
use crate::command::Command;
use crate::diff::Diff;
use crate::export::Export;
use crate::inventory::Inventory;
use crate::notify::Notify;
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
use crate::targets::ListTargets;
use crate::verify::Verify;

/// What the configuration allows and says, as far as actions ask.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The programs that may be executed.
    pub commands: AllowedCommands,
    /// The folders that sets may be exported to.
    pub exports: Vec<PathBuf>,
    /// Where nothing is exported, whatever `exports` says.
    pub never: Vec<PathBuf>,
    /// The sets that are kept where a step does not say.
    pub keep: Option<KeepRules>,
    /// The names of the channels that people outside are told things through.
    pub channels: BTreeSet<String>,
}

/// Every action of this version.
pub fn standard(
    policy: Policy,
    targets: &Arc<dyn Targets>,
    repositories: &Arc<Repositories>,
) -> Registry {
    let Policy { commands, exports, never, keep, channels } = policy;
    let plans = Arc::new(Plans::default());
    let (targets, sets) = (|| Arc::clone(targets), || Arc::clone(repositories));
    Registry::new(vec![
        Arc::new(Approval),
        Arc::new(Assert),
        Arc::new(Command::new(commands)),
        Arc::new(Sleep),
        Arc::new(Inventory::new(targets())),
        Arc::new(Capture::new(targets(), sets())),
        Arc::new(Seal::new(targets(), sets())),
        Arc::new(Open::new(targets(), sets())),
        Arc::new(Verify::new(sets())),
        Arc::new(Compare::new(targets(), sets())),
        Arc::new(Freeze::new(sets())),
        Arc::new(OpenPlan::new(Arc::clone(&plans))),
        Arc::new(Apply::new(targets(), sets(), plans)),
        Arc::new(Report),
        Arc::new(Prune::new(sets(), keep)),
        Arc::new(Attest::new(sets())),
        Arc::new(Diff::new(sets())),
        Arc::new(Export::new(sets(), exports, never)),
        Arc::new(ListTargets::new(targets())),
        Arc::new(Notify::new(channels)),
    ])
}
