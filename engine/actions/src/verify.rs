//! `backup_set.verify`: reads a set back and names what is damaged.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::records::{Keep, Verification};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use holdfast_repository::verify::{ReadShare, lines};

use crate::input::{reference_id, text};
use crate::repositories::{Repositories, permit, set_id};

/// How many damaged entries a message names; the log has all of them.
const NAMED: usize = 20;

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.verify",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Repository,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::required("backup_set", Shape::BackupSet, "The set."),
        Field::optional(
            "read",
            Shape::String,
            "How much of its content is read: `100%` unless given. A share is another part each time.",
        ),
    ],
    outputs: &[
        Field::required("objects", Shape::Integer, "How many entries or objects the set has."),
        Field::required(
            "bytes",
            Shape::Integer,
            "How many bytes were read; content that files share is read once.",
        ),
        Field::required("damaged", Shape::Integer, "How many entries are damaged."),
        Field::required("damaged_items", Shape::List(&Shape::String), "Which, and how."),
    ],
    summary: "Reads a backup set back and names what is damaged.",
    remarks: "Damage fails the step, class `invalid`; the message names what is damaged. The result is written \
              on the set.",
    example: "- id: open\n  uses: backup_set.open\n- id: verify\n  uses: backup_set.verify\n  with: { backup_set: \"{{ steps.open.output.backup_set }}\", read: 5% }\n",
};

/// The action.
pub struct Verify {
    repositories: Arc<Repositories>,
}

impl Verify {
    /// Of sets in this repository.
    pub fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories }
    }
}

#[async_trait]
impl Action for Verify {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let id = reference_id(&input.with, "backup_set")?.unwrap_or_default();
        let percent = text(&input.with, "read")?.map_or(Ok(100), |read| share(&read))?;
        let (repository, at, permit) =
            (self.repositories.of(attempt), attempt.clone(), permit(attempt));
        let set = id.clone();
        let found = attempt
            .blocking(move || {
                let earlier = at.records().verifications(&set)?.len();
                let rotation = u32::try_from(earlier).unwrap_or(u32::MAX);
                let share = ReadShare { percent, rotation };
                Ok(repository.get()?.verify(&set_id(&set)?, share, &permit)?)
            })
            .await?;
        let damaged = lines(&found.damaged);
        let verification = Verification {
            backup_set: id.clone(),
            run: attempt.facts().run,
            at: attempt.facts().started_at,
            percent,
            bytes: found.read_bytes,
            damaged: damaged.len() as u64,
        };
        attempt.records().keep(Keep::Verification(verification)).await?;
        for line in &damaged {
            attempt.log(&format!("damaged: {line}"));
        }
        if !damaged.is_empty() {
            return Err(damage(&id, &damaged));
        }
        let counts = found.counts;
        let objects = counts.files + counts.folders + counts.others;
        Ok(Output::whole(Value::from([
            ("objects", Value::from(objects)),
            ("bytes", Value::from(found.read_bytes)),
            ("damaged", Value::from(0_u64)),
            ("damaged_items", Value::List(Vec::new())),
        ])))
    }
}

fn damage(id: &str, damaged: &[String]) -> Failure {
    let named: Vec<&str> = damaged.iter().take(NAMED).map(String::as_str).collect();
    let more = damaged.len().saturating_sub(named.len());
    let more = if more > 0 { format!("; and {more} more, see the log") } else { String::new() };
    let count = damaged.len();
    let entries = if count == 1 { "entry is" } else { "entries are" };
    let message = format!("{count} {entries} damaged in {id}: {}{more}", named.join("; "));
    Failure::without_effect(Class::Invalid, message)
}

fn share(text: &str) -> Result<u8, Failure> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok());
    number.filter(|number| (1..=100).contains(number)).ok_or_else(|| {
        let message = format!("`read` must be a percentage from 1% to 100%, it is `{text}`");
        Failure::without_effect(Class::Invalid, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!(share("5%").unwrap(), 5);
        assert_eq!(share("100%").unwrap(), 100);
        for wrong in ["", "5", "0%", "101%", "-1%", "all"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
