//! Plans as the actions of a restore read them: found by id, checked, and kept open for the next attempt.
//!
//! Everything here blocks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::attempt::Attempt;
use holdfast_contract::list::ListIn;
use holdfast_contract::plan::{Change, Plan, PlanId};
use holdfast_contract::time::written;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

/// How many plans are kept open.
const KEPT: usize = 4;

/// An open plan.
pub(crate) struct OpenPlan {
    pub(crate) plan: Plan,
    pub(crate) changes: Box<dyn ListIn>,
}

/// The plans that were opened lately.
#[derive(Default)]
pub struct Plans {
    open: Mutex<VecDeque<Arc<OpenPlan>>>,
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plans")
    }
}

impl Plans {
    /// The plan of this id, if it was made for the target of the attempt.
    ///
    /// # Errors
    /// There is none, it was made for another target, or its changes cannot be read.
    pub(crate) fn get(&self, attempt: &Attempt, id: &str) -> Result<Arc<OpenPlan>, Failure> {
        let invalid = |message: String| Failure::without_effect(Class::Invalid, message);
        let id: PlanId =
            id.parse().map_err(|error| invalid(format!("`{id}` is no plan: {error}")))?;
        let plan = attempt.records().plan(&id)?.ok_or_else(|| {
            let message = format!("there is no plan `{id}` in this state directory");
            Failure::without_effect(Class::NotFound, message)
        })?;
        // Asked of the moment the run was made: one that was killed goes on to its end, whatever the date.
        if plan.expires_at < attempt.facts().run.made_at() {
            let until = written(plan.expires_at);
            return Err(invalid(format!("{id} has expired on {until}: make a new preview")));
        }
        let target = attempt.target()?;
        if target.identity != plan.target.identity {
            let message = format!(
                "{id} was made for {}, and this run works on {}",
                plan.target.identity, target.identity
            );
            return Err(Failure::without_effect(Class::Conflict, message));
        }
        self.open(attempt, plan)
    }

    fn open(&self, attempt: &Attempt, plan: Plan) -> Result<Arc<OpenPlan>, Failure> {
        let kept = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = kept().iter().find(|open| open.plan == plan) {
            return Ok(Arc::clone(open));
        }
        let changes = attempt.records().read_bodies(plan.run, &plan.changes)?;
        let open = Arc::new(OpenPlan { plan, changes });
        let mut kept = kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&open));
        Ok(open)
    }
}

impl OpenPlan {
    /// The change that an item of `plan.open` stands for.
    ///
    /// # Errors
    /// Class `invalid`: the item is none of this plan.
    pub(crate) fn change(&self, item: &Value) -> Result<Change, Failure> {
        let key = item.get("key").and_then(Value::as_text).unwrap_or_default();
        let foreign = || {
            let message = format!("`{key}` is no item of {}", self.plan.id);
            Failure::without_effect(Class::Invalid, message)
        };
        let place = item.get("place").and_then(Value::as_integer);
        let place = place.and_then(|place| u32::try_from(place).ok()).ok_or_else(foreign)?;
        if place >= self.changes.count() {
            return Err(foreign());
        }
        let change = Change::from_value(&self.changes.get(place)?)?;
        if change.key == key { Ok(change) } else { Err(foreign()) }
    }
}

/// A plan as a value in expressions.
pub(crate) fn reference(plan: &Plan) -> Value {
    Value::from([
        ("id", Value::from(plan.id.as_str())),
        ("target", Value::from(plan.target.name.as_str())),
    ])
}
