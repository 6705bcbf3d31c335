//! `backup_set.attest`: writes on a set what was found out by using it.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::records::{Attestation, Keep};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_contract::time::written;
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::value::Value;

use crate::input::{reference_id, text};
use crate::repositories::{Repositories, set_id};

/// What a set can be attested as.
const RESTORE_DRILL: &str = "restore_drill";

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.attest",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Repository,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Clean,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::required("backup_set", Shape::BackupSet, "The set."),
        Field::optional(
            "as",
            Shape::Word(&[RESTORE_DRILL]),
            "As what it was used: `restore_drill` unless given.",
        ),
        Field::optional("text", Shape::Text, "What else is to be said."),
    ],
    outputs: &[Field::required("at", Shape::String, "When, in UTC.")],
    summary: "Writes on a backup set that it was restored and compared.",
    remarks: "`set show` says so. It is known to the state of this machine, as verifications are.",
    example: "- id: open\n  uses: backup_set.open\n- id: attest\n  uses: backup_set.attest\n  with: { backup_set: \"{{ steps.open.output.backup_set }}\", text: compared with the live folder }\n",
};

/// The action.
pub struct Attest {
    repositories: Arc<Repositories>,
}

impl Attest {
    /// Of sets in these repositories.
    pub fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories }
    }
}

#[async_trait]
impl Action for Attest {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let backup_set = reference_id(&input.with, "backup_set")?.unwrap_or_default();
        let used_as = text(&input.with, "as")?.unwrap_or_else(|| RESTORE_DRILL.to_owned());
        let said = text(&input.with, "text")?.unwrap_or_default();
        let (repository, id) = (self.repositories.of(attempt), set_id(&backup_set)?);
        // What is not there cannot be attested.
        attempt.blocking(move || repository.set(&id).map(drop)).await?;
        let at = attempt.facts().started_at;
        let run = attempt.facts().run;
        let id = format!("{:016x}", input.effect_key.0.leading());
        let attestation = Attestation { id, backup_set, run, at, used_as, text: said };
        attempt.records().keep(Keep::Attestation(attestation)).await?;
        Ok(Output::whole(Value::from([("at", Value::Text(written(at)))])))
    }
}
