//! What is kept beside the events of runs: plans, and what verifications found.

use holdfast_contract::plan::{Plan, PlanId};
use holdfast_contract::records::{Approval, Attestation, References, Verification};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::value::Value;

use crate::query::{Filter, LONGEST_PAGE, Loaded, Page, ReadError, Reader};
use crate::record::RunRecord;
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

    /// What was found out about a set by using it, the oldest first; at most a thousand.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn attestations(&self, backup_set: &str) -> Result<Vec<Attestation>, ReadError> {
        let keys = Keys::starting_with(backup_set.as_bytes());
        self.look(|core, source| {
            let (view, table) = (core.view(source), Table::Attestations);
            let rows = view.scan(table, &keys, Order::Ascending, LONGEST_PAGE)?;
            let rows = rows.iter().map(|(_, row)| view.decode(table, row));
            let mut found: Vec<Attestation> = rows.collect::<Result<_, _>>()?;
            found.sort_by_key(|attestation| attestation.at);
            Ok(found)
        })
    }

    /// What must stay because something refers to it: the sets of runs that have not ended, of plans that have not
    /// expired at `now`, and of runs with items in doubt.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn references(&self, now: Instant) -> Result<References, ReadError> {
        let mut found = References::default();
        let plans = self.all_plans()?;
        for plan in plans.iter().filter(|plan| plan.expires_at > now) {
            let what = format!("{} needs it until it expires", plan.id);
            found.sets.insert(plan.backup_set.clone(), what);
        }
        let of_plan = |id: &str| plans.iter().find(|plan| plan.id.as_str() == id);
        let mut named = |record: &RunRecord, why: &str| {
            for id in self.ids_of(record)? {
                let set = of_plan(&id).map_or(id, |plan| plan.backup_set.clone());
                found.sets.entry(set).or_insert_with(|| format!("{} {why}", record.run));
            }
            Ok::<(), ReadError>(())
        };
        for record in self.of_statuses(&[RunStatus::Queued, RunStatus::Running])? {
            named(&record, "works with it")?;
            found.active.insert(record.run);
        }
        for record in self.of_statuses(&[RunStatus::Failed, RunStatus::Partial])? {
            if record.in_doubt() > 0 {
                named(&record, "has items in doubt")?;
            }
        }
        Ok(found)
    }

    /// The ids of sets and plans that a run works with: those that it was given, and those that its steps found.
    fn ids_of(&self, record: &RunRecord) -> Result<Vec<String>, ReadError> {
        let mut ids = Vec::new();
        mentioned(&record.inputs, &mut ids);
        let Some(Loaded { definition, state }) = self.load(record.run)? else { return Ok(ids) };
        let mut keep = |output: &Payload| {
            worked_with(&self.payloads.load(record.run, output)?, &mut ids);
            Ok::<(), ReadError>(())
        };
        for output in state.steps.iter().filter_map(|step| step.output.as_ref()) {
            keep(output)?;
        }
        let fan_outs = definition.numbered().filter(|(_, step)| step.for_each.is_some());
        for result in fan_outs.flat_map(|(step, _)| self.results(&state, step)) {
            result?.row.output.as_ref().map_or(Ok(()), &mut keep)?;
        }
        Ok(ids)
    }

    /// Every run of these statuses.
    fn of_statuses(&self, statuses: &[RunStatus]) -> Result<Vec<RunRecord>, ReadError> {
        self.all_runs(&Filter { statuses: statuses.to_vec(), ..Filter::default() })
    }

    /// Every run that fits a filter.
    pub(crate) fn all_runs(&self, filter: &Filter) -> Result<Vec<RunRecord>, ReadError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.runs(filter, Page { after, limit: LONGEST_PAGE })?;
            found.extend(page.rows);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The plans that have not expired at an instant.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn unexpired(&self, at: Instant) -> Result<Vec<Plan>, ReadError> {
        let mut plans = self.all_plans()?;
        plans.retain(|plan| plan.expires_at > at);
        Ok(plans)
    }

    pub(crate) fn all_plans(&self) -> Result<Vec<Plan>, ReadError> {
        let keys = Keys::starting_with(b"plan_");
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Plans, &keys, Order::Ascending, usize::MAX)?;
            rows.iter().map(|(_, row)| Ok(view.decode(Table::Plans, row)?)).collect()
        })
    }

    /// The person that a run goes back to: of a child run, who asked for its first ancestor; none if an ancestor is
    /// not there any more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn person_of(&self, run: RunId) -> Result<Option<String>, ReadError> {
        let mut run = run;
        loop {
            let Some(record) = self.run(run)? else { return Ok(None) };
            match record.initiator {
                ref of @ (Initiator::User(_) | Initiator::Tick { .. }) => {
                    return Ok(Some(of.name().into_owned()));
                }
                Initiator::Parent { run: parent, .. } => run = parent,
            }
        }
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

/// The name under which a seal tells which set was the newest before: for people, nothing works with it.
const BEFORE: &str = "previous";

/// The ids of sets and plans that the output of a step or an item says it works with.
fn worked_with(output: &Value, found: &mut Vec<String>) {
    let named = output.as_map().into_iter().flatten().filter(|(name, _)| *name != BEFORE);
    for (_, value) in named {
        // Lists are told to people: a prune names there what is to go.
        if let Value::Text(_) = value {
            mentioned(value, found);
        }
        value.get("id").into_iter().for_each(|id| mentioned(id, found));
    }
}

/// The ids of sets and plans that a value mentions.
pub(crate) fn mentioned(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Text(text) if text.starts_with("set_") || text.starts_with("plan_") => {
            found.push(text.clone());
        }
        Value::List(list) => list.iter().for_each(|value| mentioned(value, found)),
        Value::Map(map) => map.values().for_each(|value| mentioned(value, found)),
        Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_) => {
        }
    }
}
