//! Answers for the expressions of a random definition: every value follows from the seed and the place.

use holdfast_contract::evaluate::{Evaluate, ListSink, Listed, Scope};
use holdfast_contract::list::ListedItem;
use holdfast_kernel::event::{ApprovalAsk, Question};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, Millis, StepIndex};
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::value::Value;

use crate::chance::hash;

/// The language of random definitions.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// What every value follows from.
    pub seed: u64,
    /// The most items of a fan-out.
    pub most_items: u32,
}

impl Script {
    fn draw(&self, what: &str, step: StepIndex, item: u32) -> u64 {
        hash(self.seed, &[what.as_bytes(), &step.0.to_le_bytes(), &item.to_le_bytes()])
    }

    /// A failure of one expression in twenty.
    fn sometimes_fails(&self, what: &str, step: StepIndex, item: u32) -> Result<(), Failure> {
        if self.draw(what, step, item) % 20 == 7 {
            return Err(Failure::without_effect(Class::Expression, "scripted to fail"));
        }
        Ok(())
    }

    /// The list of a step's fan-out: how many items, which are left out, where stages begin.
    ///
    /// # Errors
    /// The list is scripted to fail.
    pub fn list(&self, step: StepIndex) -> Result<Listed, Failure> {
        self.sometimes_fails("list fails", step, 0)?;
        let total = u32::try_from(self.draw("total", step, 0) % u64::from(self.most_items + 1))
            .unwrap_or(0);
        let mut excluded = RangeSet::new();
        let mut stages = Vec::new();
        for item in 0..total {
            if self.draw("where", step, item).is_multiple_of(6) {
                excluded.set(item..item + 1, ());
            }
            if item == 0 || self.draw("stage", step, item).is_multiple_of(5) {
                stages.push(ItemIndex(item));
            }
        }
        let max_parallel = 1 + u32::try_from(self.draw("parallel", step, 0) % 5).unwrap_or(0);
        Ok(Listed { total, excluded, stages, max_parallel })
    }

    /// The key of an item.
    pub fn key(item: ItemIndex) -> String {
        format!("k{}", item.0)
    }

    /// The answer to a gate.
    ///
    /// # Errors
    /// The gate is scripted to fail.
    pub fn open(&self, step: StepIndex) -> Result<bool, Failure> {
        self.sometimes_fails("gate fails", step, 0)?;
        Ok(!self.draw("gate", step, 0).is_multiple_of(3))
    }

    /// How long a sleep lasts.
    ///
    /// # Errors
    /// The duration is scripted to fail.
    pub fn length(&self, step: StepIndex, item: ItemIndex) -> Result<Millis, Failure> {
        self.sometimes_fails("pause fails", step, item.0)?;
        Ok(Millis(self.draw("pause", step, item.0) % 5_000))
    }

    /// What a person is asked.
    ///
    /// # Errors
    /// The question is scripted to fail.
    pub fn asked(&self, step: StepIndex, item: ItemIndex) -> Result<ApprovalAsk, Failure> {
        self.sometimes_fails("approval fails", step, item.0)?;
        let by = vec!["approver".to_owned()];
        Ok(ApprovalAsk { plan: None, target: None, text: String::new(), by, allow_self: false })
    }

    /// The workflow's outputs.
    ///
    /// # Errors
    /// They are scripted to fail.
    pub fn outcome(&self) -> Result<Value, Failure> {
        self.sometimes_fails("outputs fail", StepIndex(0), 0)?;
        Ok(Value::from([("seed", Value::from(self.seed))]))
    }
}

impl Evaluate for Script {
    fn reads_results(&self, _question: Question) -> bool {
        false
    }

    fn gate(&self, _scope: &dyn Scope, step: StepIndex) -> Result<bool, Failure> {
        self.open(step)
    }

    fn items(
        &self,
        _scope: &dyn Scope,
        step: StepIndex,
        sink: &mut dyn ListSink,
    ) -> Result<Listed, Failure> {
        let listed = self.list(step)?;
        for item in 0..listed.total {
            let stage = listed.stages.partition_point(|first| first.0 <= item);
            let stage = i64::try_from(stage).unwrap_or(0);
            sink.push(ListedItem {
                key: Self::key(ItemIndex(item)),
                stage,
                value: Value::from(u64::from(item)),
            })?;
        }
        Ok(listed)
    }

    fn pause(
        &self,
        _scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<Millis, Failure> {
        self.length(step, item)
    }

    fn approval(
        &self,
        _scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<ApprovalAsk, Failure> {
        self.asked(step, item)
    }

    fn outputs(&self, _scope: &dyn Scope) -> Result<Value, Failure> {
        self.outcome()
    }

    fn with(
        &self,
        _scope: &dyn Scope,
        _step: StepIndex,
        _item: ItemIndex,
    ) -> Result<Value, Failure> {
        Ok(Value::empty_map())
    }

    fn env(
        &self,
        _scope: &dyn Scope,
        _step: StepIndex,
        _item: ItemIndex,
    ) -> Result<Vec<(String, String)>, Failure> {
        Ok(Vec::new())
    }
}
