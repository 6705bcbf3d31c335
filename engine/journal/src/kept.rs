//! What is kept beside the events of runs: plans, and what verifications found.

use holdfast_contract::plan::{Plan, PlanId};
use holdfast_contract::records::{Approval, Verification};

use crate::query::{LONGEST_PAGE, ReadError, Reader};
use crate::store::{Keys, Order, Table};

/// The shortest beginning of a plan's id that names one: an empty variable must not name the only plan there is.
const SHORTEST_PREFIX: usize = 4;

/// How many plans are told apart where a beginning names several.
const SEVERAL: usize = 10;

impl Reader {
    /// The plan with this id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn plan(&self, id: &PlanId) -> Result<Option<Plan>, ReadError> {
        self.look(|core, source| Ok(core.view(source).get(Table::Plans, id.as_str().as_bytes())?))
    }

    /// What verifications of a set have found, the oldest first; at most a thousand.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verifications(&self, backup_set: &str) -> Result<Vec<Verification>, ReadError> {
        let keys = Keys::starting_with(backup_set.as_bytes());
        self.look(|core, source| {
            let (view, table) = (core.view(source), Table::Verifications);
            let rows = view.scan(table, &keys, Order::Ascending, LONGEST_PAGE)?;
            rows.iter().map(|(_, row)| Ok(view.decode(table, row)?)).collect()
        })
    }

    /// What people said about a plan, the oldest first; at most a thousand.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn approvals(&self, plan: &str) -> Result<Vec<Approval>, ReadError> {
        let keys = Keys::starting_with(&[plan.as_bytes(), &[0]].concat());
        self.look(|core, source| {
            let (view, table) = (core.view(source), Table::Approvals);
            let rows = view.scan(table, &keys, Order::Ascending, LONGEST_PAGE)?;
            rows.iter().map(|(_, row)| Ok(view.decode(table, row)?)).collect()
        })
    }

    /// The plans whose ids start with a text, with or without `plan_`; at most ten.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn plans_starting_with(&self, text: &str) -> Result<Vec<Plan>, ReadError> {
        let digits = text.strip_prefix("plan_").unwrap_or(text);
        if digits.len() < SHORTEST_PREFIX {
            return Ok(Vec::new());
        }
        let keys = Keys::starting_with(format!("plan_{digits}").as_bytes());
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Plans, &keys, Order::Ascending, SEVERAL)?;
            rows.iter().map(|(_, row)| Ok(view.decode(Table::Plans, row)?)).collect()
        })
    }
}
