//! What people are asked and told, and what they say of plans.

use holdfast_contract::records::{Approval, ApprovalVerdict, Message};
use holdfast_kernel::event::{ApprovalAsk, Event};
use holdfast_kernel::id::{Instant, ItemIndex, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::OpenStage;
use holdfast_kernel::value::Value;

use super::{About, Core, Source};
use crate::codec::encode;
use crate::filer::FilingError;
use crate::live::Live;
use crate::project::{doubt_text, wait_text};
use crate::record::{Asked, Asks, RunRecord, Sent};
use crate::store::Table;

impl Core {
    /// A person is waited for.
    pub(super) fn notify_of_wait(
        &mut self,
        live: &Live,
        (step, item): (StepIndex, ItemIndex),
        ask: &ApprovalAsk,
        at: Instant,
    ) -> Result<(), FilingError> {
        let definition = live.definition.step(step);
        let id = definition.map_or("", |step| step.id.as_str());
        let is_fan_out = definition.is_some_and(|step| step.for_each.is_some());
        let text = wait_text(&live.row.record, id, ask);
        let item = is_fan_out.then_some(item);
        let plan = ask.plan.clone();
        let asks = Asks { what: Asked::Approval, step: id.to_owned(), item, plan };
        let about = About { asks: Some(asks), ..About::default() };
        self.notify(&live.row.record, text, about, at)
    }

    /// Nobody knows whether an effect happened. Of the items of one step the first is told of: the others are listed.
    pub(super) fn notify_of_doubt(
        &mut self,
        live: &Live,
        (step, item): (StepIndex, ItemIndex),
        at: Instant,
    ) -> Result<(), FilingError> {
        let definition = live.definition.step(step);
        let id = definition.map_or("", |step| step.id.as_str());
        let is_fan_out = definition.is_some_and(|step| step.for_each.is_some());
        let text = doubt_text(&live.row.record, id);
        let item = is_fan_out.then_some(item);
        let asks = Asks { what: Asked::Effect, step: id.to_owned(), item, plan: None };
        let about = About { asks: Some(asks), ..About::default() };
        self.notify(&live.row.record, text, about, at)
    }

    /// What a person said about a plan is kept with the plan.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others say nothing of a plan")]
    pub(super) fn keep_word(
        &mut self,
        live: &Live,
        event: &Event,
        at: Instant,
    ) -> Result<(), FilingError> {
        let (step, item, by, verdict, comment) = match event {
            Event::ApprovalGiven { step, item, by, output } => {
                let comment = match output {
                    Payload::Inline(value) => value.get("comment").and_then(Value::as_text),
                    Payload::Stored(_) => None,
                };
                (step, item, by, ApprovalVerdict::Approved, comment.unwrap_or_default())
            }
            Event::ApprovalRejected { step, item, by, failure } => {
                (step, item, by, ApprovalVerdict::Rejected, failure.message.as_str())
            }
            _ => return Ok(()),
        };
        let open = live.state.step(*step).and_then(|step| step.items.open.get(item));
        let Some(OpenStage::Awaiting { ask, .. }) = open.map(|open| &open.stage) else {
            return Ok(());
        };
        let Some(plan) = ask.plan.clone() else { return Ok(()) };
        let approval = Approval {
            plan,
            by: by.clone(),
            verdict,
            comment: comment.to_owned(),
            at,
            run: Some(live.row.record.run),
        };
        self.keep_approval(&approval)
    }

    /// A message becomes one notification, also if an attempt sends it that does not know of the one before.
    pub(super) fn keep_message(
        &mut self,
        source: &Source<'_>,
        message: &Message,
        at: Instant,
    ) -> Result<(), FilingError> {
        let key = message.id.as_bytes();
        if self.view(source).bytes(Table::Messages, key)?.is_some() {
            return Ok(());
        }
        let record = self.runs.get(&message.run).map(|live| live.row.record.clone());
        // An attempt of a run that has ended meanwhile tells nobody anything.
        let Some(record): Option<RunRecord> = record else { return Ok(()) };
        self.fresh.put(Table::Messages, key.to_vec(), encode(&self.position.next_notification)?);
        let sent = Sent {
            id: message.id.clone(),
            channel: message.channel.clone(),
            level: message.level,
            title: message.title.clone(),
        };
        let about = About { message: Some(sent), ..About::default() };
        self.notify(&record, message.text.clone(), about, at)
    }

    /// Several may come with one batch; none takes the place of another.
    pub(super) fn keep_approval(&mut self, approval: &Approval) -> Result<(), FilingError> {
        let (sequence, place) = (self.absorbing.to_be_bytes(), self.words.to_be_bytes());
        let key = [approval.plan.as_bytes(), &[0], &sequence, &place].concat();
        self.words += 1;
        self.fresh.put(Table::Approvals, key, encode(approval)?);
        Ok(())
    }
}
