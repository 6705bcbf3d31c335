//! What an attempt reads and writes of what its run stores: lists, plans, and how earlier steps ended.
//!
//! The state of the run is copied only for actions that ask for earlier steps. By the time an attempt
//! starts, everything up to its own start is durable, so the reader sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_contract::attempt::Boxed;
use holdfast_contract::list::{ListIn, ListOut, StoredList};
use holdfast_contract::plan::{Plan, PlanId};
use holdfast_contract::records::{
    Approval, EarlierEnd, EarlierItem, EarlierStep, Keep, Records, References, Upstream,
    Verification,
};
use holdfast_contract::secret::Mask;
use holdfast_contract::summary::summary;
use holdfast_drive::scope::unreadable;
use holdfast_journal::lists::{ListReader, ListWriter};
use holdfast_journal::payloads::Payloads;
use holdfast_journal::query::Reader;
use holdfast_journal::record::{ItemStatus, ItemView};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, EffectKey, Instant, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::{RunState, StepPhase};
use holdfast_kernel::status::StepEnd;
use holdfast_kernel::value::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::wake::Wake;

/// The run as it was when an attempt started.
#[derive(Debug)]
pub struct Before {
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its state.
    pub state: RunState,
    /// The step of the attempt.
    pub step: StepIndex,
}

/// The records of one attempt.
#[derive(Clone)]
pub struct AttemptRecords {
    /// The run.
    pub run: RunId,
    /// The digest of its definition.
    pub definition: Digest,
    /// What of its target it is about.
    pub object: Vec<String>,
    /// Who asked for it.
    pub initiator: String,
    /// The secrets the attempt was given.
    pub mask: Mask,
    /// Where lists in clear go.
    pub payloads: Arc<Payloads>,
    /// Where sealed lists go.
    pub bodies: Arc<Payloads>,
    /// Reads what is durable.
    pub reader: Reader,
    /// Where plans go.
    pub wake: UnboundedSender<Wake>,
    /// The run as it was; none for an action that does not ask for earlier steps.
    pub before: Option<Arc<Before>>,
}

/// A list whose elements are masked before they are written.
struct Masked {
    mask: Mask,
    list: Box<ListWriter>,
}

impl ListOut for Masked {
    fn push(&mut self, element: Value) -> Result<(), Failure> {
        ListOut::push(&mut *self.list, self.mask.value(element))
    }

    fn count(&self) -> u32 {
        self.list.count()
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        ListOut::finish(self.list)
    }
}

impl Before {
    /// Every step that the attempt's step needs, directly or not.
    fn upstream(&self) -> BTreeSet<StepIndex> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.step];
        while let Some(index) = open.pop() {
            let needs = self.definition.step(index).into_iter().flat_map(|step| &step.needs);
            open.extend(needs.copied().filter(|need| found.insert(*need)));
        }
        found
    }
}

impl AttemptRecords {
    fn before(&self) -> Result<&Arc<Before>, Failure> {
        self.before.as_ref().ok_or_else(|| {
            let message = "this action does not say that it reads earlier steps";
            Failure::without_effect(Class::Internal, message)
        })
    }

    fn output(&self, payload: Option<&Payload>) -> Result<Value, Failure> {
        let Some(payload) = payload else { return Ok(Value::empty_map()) };
        self.payloads.load(self.run, payload).map_err(|error| unreadable(&error))
    }

    fn step(&self, before: &Before, index: StepIndex) -> Result<EarlierStep, Failure> {
        let (Some(step), Some(state)) = (before.definition.step(index), before.state.step(index))
        else {
            return Err(Failure::without_effect(Class::Internal, "the run has no such step"));
        };
        let ended = matches!(state.phase, StepPhase::Final(StepEnd::Succeeded | StepEnd::Partial));
        let output = state.output.as_ref().filter(|_| ended);
        Ok(EarlierStep {
            id: step.id.clone(),
            action: step.action().map_or_else(String::new, |used| used.action.clone()),
            output: self.output(output)?,
            failure: state.failure.clone(),
        })
    }

    fn item(&self, step: &str, view: ItemView) -> Result<EarlierItem, Failure> {
        let end = match view.status {
            ItemStatus::Succeeded | ItemStatus::ResolvedDone => EarlierEnd::Whole,
            ItemStatus::Partial => EarlierEnd::Partial,
            ItemStatus::Skipped => EarlierEnd::Skipped,
            ItemStatus::Queued
            | ItemStatus::Running
            | ItemStatus::Waiting
            | ItemStatus::Failed
            | ItemStatus::Unknown
            | ItemStatus::ResolvedNotDone
            | ItemStatus::Untried => EarlierEnd::Lacking,
        };
        let has_output = matches!(end, EarlierEnd::Whole | EarlierEnd::Partial);
        Ok(EarlierItem {
            effect: EffectKey::of(self.run, step, view.key.as_deref(), view.epoch),
            earlier_effects: (0..view.epoch)
                .map(|epoch| EffectKey::of(self.run, step, view.key.as_deref(), epoch))
                .collect(),
            key: view.key,
            end,
            output: self.output(view.row.output.as_ref().filter(|_| has_output))?,
            failure: view.row.failure,
        })
    }
}

impl Records for AttemptRecords {
    fn list(&self) -> Box<dyn ListOut> {
        let list = Box::new(ListWriter::new(Arc::clone(&self.payloads), self.run));
        Box::new(Masked { mask: self.mask.clone(), list })
    }

    fn bodies(&self) -> Box<dyn ListOut> {
        Box::new(ListWriter::new(Arc::clone(&self.bodies), self.run))
    }

    fn read_bodies(&self, run: RunId, list: &StoredList) -> Result<Box<dyn ListIn>, Failure> {
        let reader = ListReader::<Value>::open(Arc::clone(&self.bodies), run, list);
        Ok(Box::new(reader.map_err(|error| error.failure())?))
    }

    fn earlier(
        &self,
        named: Option<&[String]>,
        actions: &[&str],
    ) -> Result<Vec<EarlierStep>, Failure> {
        let before = self.before()?;
        let steps = before.upstream().into_iter().filter(|index| {
            before.definition.step(*index).is_some_and(|step| {
                named.is_none_or(|named| named.contains(&step.id))
                    && step.action().is_some_and(|used| actions.contains(&used.action.as_str()))
            })
        });
        steps.map(|index| self.step(before, index)).collect()
    }

    fn upstream(&self) -> Upstream {
        let Some(before) = &self.before else { return Upstream::Lacking };
        let is_whole = before.upstream().into_iter().all(|index| {
            before.state.step(index).is_some_and(|step| {
                matches!(step.phase, StepPhase::Final(StepEnd::Succeeded | StepEnd::Skipped))
            })
        });
        if is_whole { Upstream::Whole } else { Upstream::Lacking }
    }

    fn items(&self, step: &str) -> Box<dyn Iterator<Item = Result<EarlierItem, Failure>> + Send> {
        let (records, id) = (self.clone(), step.to_owned());
        let found = self.before().and_then(|before| {
            let named = before.definition.step_named(step);
            let named = named.ok_or_else(|| {
                Failure::without_effect(Class::Invalid, format!("there is no step `{step}`"))
            })?;
            Ok((Arc::clone(before), named.0))
        });
        let (before, index) = match found {
            Ok(found) => found,
            Err(failure) => return Box::new(std::iter::once(Err(failure))),
        };
        let total = before.state.step(index).map_or(0, |step| step.items.total);
        let mut next = 0;
        let mut ready = Vec::new().into_iter();
        Box::new(std::iter::from_fn(move || {
            if let Some(item) = ready.next() {
                return Some(item);
            }
            if next >= total {
                return None;
            }
            let part = records.reader.results_part(&before.state, index, next);
            let part = match part {
                Ok(part) if part.is_empty() => return None,
                Ok(part) => part,
                Err(error) => {
                    next = total;
                    return Some(Err(unreadable(&error)));
                }
            };
            next += u32::try_from(part.len()).unwrap_or(u32::MAX);
            let items: Vec<_> = part.into_iter().map(|view| records.item(&id, view)).collect();
            ready = items.into_iter();
            ready.next()
        }))
    }

    fn keep(&self, kept: Keep) -> Boxed<'_, Result<(), Failure>> {
        let (reply, durable) = oneshot::channel();
        // Without an executor the process is ending, and the receiver says so.
        self.wake.send(Wake::Keep { kept: Box::new(kept), reply }).unwrap_or_default();
        Box::pin(async move {
            durable.await.map(drop).map_err(|_gone| {
                Failure::with_unknown_effect(Class::Cancelled, "the attempt is over")
            })
        })
    }

    fn verifications(&self, backup_set: &str) -> Result<Vec<Verification>, Failure> {
        self.reader.verifications(backup_set).map_err(|error| unreadable(&error))
    }

    fn plan(&self, id: &PlanId) -> Result<Option<Plan>, Failure> {
        self.reader.plan(id).map_err(|error| unreadable(&error))
    }

    fn approvals(&self, plan: &PlanId) -> Result<Vec<Approval>, Failure> {
        self.reader.approvals(plan.as_str()).map_err(|error| unreadable(&error))
    }

    fn references(&self, now: Instant) -> Result<References, Failure> {
        self.reader.references(now).map_err(|error| unreadable(&error))
    }

    fn summary(&self) -> Result<String, Failure> {
        let before = self.before()?;
        Ok(summary(&before.definition, &before.state))
    }

    fn initiator(&self) -> String {
        self.initiator.clone()
    }

    fn definition(&self) -> Digest {
        self.definition
    }

    fn object(&self) -> Vec<String> {
        self.object.clone()
    }
}
