//! Answers questions from the store. Every answer is JSON of the type that the question names.

use std::sync::Arc;

use holdfast_contract::plan::PlanId;
use holdfast_contract::records::{Approval, Keep};
use holdfast_contract::roles::Roles;
use holdfast_drive::input::{Ask as AskOfRun, Program, Submit, Token};
use holdfast_drive::output::Refusal;
use holdfast_journal::lists::ListReader;
use holdfast_journal::outbox::Acknowledging;
use holdfast_journal::payloads::Payloads;
use holdfast_journal::query::{Page, ReadError, Reader};
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::event::{Initiator, Request};
use holdfast_kernel::id::RunId;
use holdfast_kernel::state::OpenStage;
use holdfast_kernel::value::Value;
use holdfast_runtime::executor::Compile;
use holdfast_runtime::logs::Logs;
use holdfast_runtime::wake::Want;
use serde::Serialize;
use thiserror::Error;

use crate::wire::ask::{Act, Ask, LoadedRun};

/// What answers are read from. Clones read the same.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The store.
    pub reader: Reader,
    /// The files of bodies.
    pub bodies: Arc<Payloads>,
    /// The logs of attempts.
    pub logs: Logs,
    /// Who has which role.
    pub roles: Arc<Roles>,
}

/// Why there is no answer; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

impl From<ReadError> for NoAnswer {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

/// JSON of an answer.
///
/// # Errors
/// It cannot be written as JSON: a bug.
pub fn json(answer: &impl Serialize) -> Result<String, NoAnswer> {
    serde_json::to_string(answer).map_err(|error| NoAnswer(error.to_string()))
}

impl Sources {
    /// Whether a person may do this: answer what somebody is asked.
    ///
    /// # Errors
    /// They may not, and why.
    pub fn permits(&self, act: &Act, by: &str) -> Result<(), Refusal> {
        let Act::Answer { run, step, item, .. } = act else { return Ok(()) };
        let unreadable = |error: ReadError| Refusal::Unreadable(error.to_string());
        let loaded = self.reader.load(*run).map_err(unreadable)?.ok_or(Refusal::NoSuchRun)?;
        let open = loaded.state.step(*step).and_then(|step| step.items.open.get(item));
        let Some(OpenStage::Awaiting { ask, .. }) = open.map(|open| &open.stage) else {
            return Err(Refusal::NotAsked);
        };
        if !self.roles.has(by, &ask.by) {
            let wanted = ask.by.join(" or ");
            return Err(Refusal::NotForYou(format!("{wanted} is asked, and {by} is not")));
        }
        if ask.allow_self {
            return Ok(());
        }
        match self.reader.person_of(*run).map_err(unreadable)? {
            Some(asked) if asked != by => Ok(()),
            Some(_) => Err(Refusal::NotForYou(format!(
                "{by} asked for the run, so another person has to answer"
            ))),
            None => Err(Refusal::NotForYou(
                "who asked for the run cannot be told, so nobody is another person".to_owned(),
            )),
        }
    }

    /// The answer to a question that only reads. It blocks.
    ///
    /// # Errors
    /// What is stored cannot be read, or the question is none that the store answers.
    pub fn read(&self, ask: Ask) -> Result<String, NoAnswer> {
        let reader = &self.reader;
        match ask {
            Ask::Find { text } => json(&reader.find(&text)?),
            Ask::Runs { filter, after, limit } => {
                json(&reader.runs(&filter, Page { after, limit })?)
            }
            Ask::Run { run } => json(&reader.run(run)?),
            Ask::Load { run } => json(&self.load(run)?),
            Ask::Items { run, step, show, after, limit } => {
                json(&reader.items(run, step, show, Page { after, limit })?)
            }
            Ask::Outputs { run } => json(&self.outputs(run)?),
            Ask::Notifications { after, limit } => {
                json(&reader.notifications(Page { after, limit })?)
            }
            Ask::Unread { after, limit } => json(&reader.unread(Page { after, limit })?),
            Ask::Channels => json(&reader.channels()?),
            Ask::Totals => json(&reader.totals()?),
            Ask::Schedules => json(&reader.schedules()?),
            Ask::Ticks { filter, after, limit } => {
                json(&reader.ticks(&filter, Page { after, limit })?)
            }
            Ask::Pause => json(&reader.pause()?),
            Ask::Plans { beginning } => json(&reader.plans_starting_with(&beginning)?),
            Ask::Unexpired { at } => json(&reader.unexpired(at)?),
            Ask::Changes { plan, from, limit } => json(&self.changes(&plan, from, limit)?),
            Ask::Verifications { backup_set } => json(&reader.verifications(&backup_set)?),
            Ask::Attestations { backup_set } => json(&reader.attestations(&backup_set)?),
            Ask::Forgettable { before, now, limit } => {
                json(&reader.forgettable(before, now, limit)?)
            }
            Ask::OldNotifications { before } => json(&reader.has_notifications_before(before)?),
            Ask::OldTicks { before } => json(&reader.has_ticks_before(before)?),
            Ask::Export { table, after } => json(&reader.export(&table, after.as_deref())?),
            Ask::Approvals { plan } => json(&reader.approvals(&plan)?),
            Ask::Definition { digest } => json(&reader.definition(digest)?),
            Ask::Said { run } => {
                json(&self.logs.read(run).map_err(|error| NoAnswer(error.to_string()))?)
            }
            Ask::Obstacles | Ask::Act(_) | Ask::Watch { .. } => {
                Err(NoAnswer("the store does not answer this".to_owned()))
            }
        }
    }

    fn load(&self, run: RunId) -> Result<Option<LoadedRun>, NoAnswer> {
        let loaded = self.reader.load(run)?;
        Ok(loaded.map(|loaded| LoadedRun {
            definition: (*loaded.definition).clone(),
            state: loaded.state,
        }))
    }

    fn outputs(&self, run: RunId) -> Result<Option<Value>, NoAnswer> {
        let Some(loaded) = self.reader.load(run)? else { return Ok(None) };
        Ok(self.reader.outputs(&loaded.state)?)
    }

    fn changes(&self, plan: &PlanId, from: u32, limit: u32) -> Result<Vec<Value>, NoAnswer> {
        let Some(plan) = self.reader.plan(plan)? else {
            return Err(NoAnswer(format!("there is no {plan}")));
        };
        let told = |error: holdfast_journal::lists::ListError| NoAnswer(error.to_string());
        let list = ListReader::<Value>::open(Arc::clone(&self.bodies), plan.run, &plan.changes);
        let list = list.map_err(told)?;
        let until = list.count().min(from.saturating_add(limit));
        (from..until).map(|place| list.get(place).map_err(told)).collect()
    }
}

/// What the executor takes for an act.
///
/// # Errors
/// The definition of a submit cannot be read.
pub fn want(act: Act, by: String, compile: &Compile) -> Result<Want, NoAnswer> {
    Ok(match act {
        Act::Submit { mut request, stored } => {
            request.initiator = Initiator::User(by);
            Want::Submit(Box::new(submit(*request, stored, compile)?))
        }
        Act::Tick { mut request, stored } => {
            if let Initiator::Tick { by: asked, .. } = &mut request.initiator {
                *asked = Some(by);
            }
            Want::TickByHand(Box::new(submit(*request, stored, compile)?))
        }
        Act::Pause { schedule } => {
            schedules(ScheduleChange::Paused { schedule, by: by.clone() }, by)
        }
        Act::Unpause { schedule } => {
            schedules(ScheduleChange::Unpaused { schedule, by: by.clone() }, by)
        }
        Act::ForgetSchedule { schedule } => schedules(ScheduleChange::Forgotten(schedule), by),
        Act::Retry { run, selection } => Want::Retry { run, selection, by },
        Act::Cancel { run, how } => Want::Ask { run, ask: AskOfRun::Cancel(how), by },
        Act::Answer { run, step, item, word } => {
            Want::Ask { run, ask: AskOfRun::Answer { step, item, word }, by }
        }
        Act::Resolve { run, step, item, verdict } => Want::Resolve { run, step, item, verdict, by },
        Act::Acknowledge { notifications } => {
            Want::Acknowledge(Acknowledging { notifications, by })
        }
        Act::Forget(forgotten) => Want::Forget { forgotten, by },
        Act::Keep(kept) => match *kept {
            // What a person says of a plan is said in their own name.
            Keep::Approval(approval) => {
                Want::Keep(Box::new(Keep::Approval(Approval { by, ..approval })))
            }
            Keep::Plan(_) | Keep::Verification(_) | Keep::Attestation(_) | Keep::Message(_) => {
                return Err(NoAnswer("only runs keep anything but approvals".to_owned()));
            }
        },
    })
}

fn schedules(change: ScheduleChange, by: String) -> Want {
    Want::Schedule { change: Box::new(change), by }
}

fn submit(
    request: Request,
    stored: Vec<StoredDefinition>,
    compile: &Compile,
) -> Result<Submit, NoAnswer> {
    let of_run = stored.iter().find(|stored| stored.digest == request.definition);
    let definition = of_run.and_then(StoredDefinition::definition);
    let unreadable = || NoAnswer("the workflow of the request cannot be read".to_owned());
    let definition = Arc::new(definition.ok_or_else(unreadable)?);
    definition.check().map_err(|error| NoAnswer(error.to_string()))?;
    let language = compile(Arc::clone(&definition));
    let program = Program { definition, language };
    Ok(Submit { request, stored, program, token: Token(0) })
}
