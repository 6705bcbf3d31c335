//! A small rig for the executor: a plain language and actions made of closures, on any disk.
//!
//! Tests of the runtime and the measuring programs share it. It checks nothing itself and fails by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output, Registry};
use holdfast_contract::attempt::{Attempt, Boxed};
use holdfast_contract::evaluate::{Evaluate, ListSink, Listed, Scope};
use holdfast_contract::list::ListedItem;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, ItemUse, TargetUse};
use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Program, Submit, Token};
use holdfast_drive::output::Reply;
use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk;
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::resume::open;
use holdfast_kernel::definition::{
    ActionUse, Definition, EffectClass, ForEach, OnFailure, Operation, RetryPolicy, RunWhen, Step,
    Work, Writes,
};
use holdfast_kernel::event::{ApprovalAsk, Initiator, KeyKind, Question, Request};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{DedupeKey, Digest, ExpressionId, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::status::{Outcome, RunStatus};
use holdfast_kernel::value::Value;
use holdfast_runtime::chance;
use holdfast_runtime::children::{Children, NoChildren};
use holdfast_runtime::executor::{Compile, End, Executor, Setup};
use holdfast_runtime::feed::News;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::logs::Logs;
use holdfast_runtime::scope::Secrets;
use holdfast_runtime::space::SpaceChange;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

/// The bytes that must be free for an attempt to start, as without a configuration.
const RESERVE: u64 = 256 * 1024 * 1024;

/// A language in which every gate is open and every list has `items` items.
#[derive(Clone, Copy)]
pub struct Plain {
    /// How many items a fan-out has.
    pub items: u32,
    /// How many of them may be in flight.
    pub max_parallel: u32,
}

impl Plain {
    /// So many items, 64 of them at once.
    pub const fn items(items: u32) -> Self {
        Self { items, max_parallel: 64 }
    }
}

impl Evaluate for Plain {
    fn reads_results(&self, _question: Question) -> bool {
        false
    }

    fn gate(&self, _scope: &dyn Scope, _step: StepIndex) -> Result<bool, Failure> {
        Ok(true)
    }

    fn items(
        &self,
        _: &dyn Scope,
        _: StepIndex,
        sink: &mut dyn ListSink,
    ) -> Result<Listed, Failure> {
        for item in 0..self.items {
            sink.push(ListedItem {
                key: format!("k{item}"),
                stage: 0,
                value: Value::from(u64::from(item)),
            })?;
        }
        let stages = if self.items > 0 { vec![ItemIndex(0)] } else { Vec::new() };
        Ok(Listed {
            total: self.items,
            excluded: RangeSet::new(),
            stages,
            max_parallel: self.max_parallel,
        })
    }

    fn pause(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<Millis, Failure> {
        Ok(Millis(5))
    }

    fn approval(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<ApprovalAsk, Failure> {
        Err(Failure::without_effect(Class::Internal, "nobody is asked here"))
    }

    fn outputs(&self, _scope: &dyn Scope) -> Result<Value, Failure> {
        Ok(Value::empty_map())
    }

    fn with(&self, _: &dyn Scope, _: StepIndex, item: ItemIndex) -> Result<Value, Failure> {
        Ok(Value::from([("item", Value::from(u64::from(item.0)))]))
    }

    fn env(
        &self,
        _: &dyn Scope,
        _: StepIndex,
        _: ItemIndex,
    ) -> Result<Vec<(String, String)>, Failure> {
        Ok(Vec::new())
    }
}

type Body = Arc<dyn Fn(Attempt, Input) -> Boxed<'static, Result<Output, Failure>> + Send + Sync>;

struct Acting {
    spec: &'static ActionSpec,
    body: Body,
}

#[async_trait]
impl Action for Acting {
    fn spec(&self) -> &'static ActionSpec {
        self.spec
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        (self.body)(attempt.clone(), input.clone()).await
    }
}

/// What an action named `act` says of itself.
pub const SPEC: ActionSpec = ActionSpec {
    name: "act",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Nothing,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[],
    outputs: &[],
    summary: "",
    remarks: "",
    example: "",
};

/// An action named `act` that does this.
pub fn acting<F>(body: impl Fn(Attempt, Input) -> F + Send + Sync + 'static) -> Registry
where
    F: Future<Output = Result<Output, Failure>> + Send + 'static,
{
    static ACT: ActionSpec = SPEC;
    let body: Body = Arc::new(move |attempt, input| Box::pin(body(attempt, input)));
    Registry::new(vec![Arc::new(Acting { spec: &ACT, body })])
}

/// What went well.
#[expect(clippy::unnecessary_wraps, reason = "what actions return")]
pub fn done() -> Result<Output, Failure> {
    Ok(Output::whole(Value::empty_map()))
}

/// A chain of steps that use `act`.
pub fn chain(steps: u32, effect: EffectClass) -> Definition {
    let step = |index: u32| Step {
        id: format!("s{index}"),
        work: Work::Action(ActionUse {
            action: "act".to_owned(),
            version: 1,
            effect,
            writes: Writes::Nothing,
            on_target: false,
            with: None,
            env: None,
        }),
        needs: index.checked_sub(1).map(StepIndex).into_iter().collect(),
        needed_by: (index + 1 < steps).then_some(StepIndex(index + 1)).into_iter().collect(),
        run_when: RunWhen::Ok,
        condition: None,
        for_each: None,
        retry: RetryPolicy::once(),
        timeout: None,
        on_failure: OnFailure::Fail,
    };
    Definition {
        name: "chain".to_owned(),
        operation: Operation::Maintenance,
        description: String::new(),
        labels: BTreeMap::new(),
        secrets: BTreeMap::new(),
        declarations: None,
        target: None,
        object: None,
        dedupe_key: None,
        concurrency: None,
        repository: None,
        finally: None,
        timeout: Millis::seconds(600),
        steps: (0..steps).map(step).collect(),
        outputs: None,
        expressions: vec![Value::None],
    }
}

/// One step that fans out.
pub fn fan_out() -> Definition {
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.steps[0].for_each = Some(ForEach {
        items: ExpressionId(0),
        key: None,
        filter: None,
        stage: None,
        max_parallel: None,
        variable: "item".to_owned(),
        batch: 1,
        max_failed: None,
        min_items: 0,
        fail_fast: false,
    });
    definition
}

/// A definition as it is stored.
pub fn stored(definition: &Definition) -> StoredDefinition {
    let lowered = serde_json::to_string(definition).expect("a definition is JSON");
    let digest = Definition::digest_of(lowered.as_bytes());
    StoredDefinition { digest, text: String::new(), lowered }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, _definition: &Definition, name: &str) -> Result<String, Failure> {
        Err(Failure::without_effect(Class::Auth, format!("there is no secret `{name}`")))
    }
}

/// An executor that runs.
pub struct Rig {
    /// Asks it for things.
    pub handle: Handle,
    /// Its end.
    pub end: JoinHandle<End>,
    /// Reads its store.
    pub reader: holdfast_journal::query::Reader,
    /// Its logs.
    pub logs: Logs,
    language: Plain,
    news: tokio::sync::broadcast::Receiver<News>,
}

impl Rig {
    /// Starts an executor on a disk.
    pub fn start(disk: Arc<dyn Disk>, language: Plain, actions: Registry, limits: Limits) -> Self {
        Self::with_children(disk, language, actions, limits, Arc::new(NoChildren))
    }

    /// Starts an executor on a disk, with something that makes requests for child runs.
    pub fn with_children(
        disk: Arc<dyn Disk>,
        language: Plain,
        actions: Registry,
        limits: Limits,
        children: Arc<dyn Children>,
    ) -> Self {
        let opened = open(Arc::clone(&disk), "rig", Check::Quick).expect("the state opens");
        let logs = Logs::new(Arc::clone(&disk));
        let reader = opened.reader.clone();
        let compile: Compile = Arc::new(move |_| Arc::new(language));
        let setup = Setup {
            opened,
            disk,
            reserve: RESERVE,
            logs: logs.clone(),
            actions,
            compile,
            secrets: Arc::new(NoSecrets),
            children,
            limits,
            drain_grace: Millis(50),
            cancel_grace: Millis(50),
        };
        let (executor, handle) = Executor::new(setup);
        let news = handle.watch();
        let end = holdfast_runtime::tasks::spawn(executor.run());
        Self { handle, end, reader, logs, language, news }
    }

    /// Submits a run; `request` tells runs apart for the dedupe key.
    pub async fn submit(&self, definition: &Definition, request: &str) -> Reply {
        let submit = self.submission(definition, request);
        self.handle.submit(submit).await.expect("the executor runs")
    }

    /// What asks for a run.
    pub fn submission(&self, definition: &Definition, request: &str) -> Submit {
        let stored = stored(definition);
        Submit {
            request: Request {
                run: chance::run_id(),
                definition: stored.digest,
                target: None,
                object: Vec::new(),
                inputs: Value::empty_map(),
                dedupe_key: DedupeKey(Digest::of_bytes(request.as_bytes())),
                key_kind: KeyKind::Inputs,
                group: None,
                rerun_of: None,
                initiator: Initiator::User("tester".to_owned()),
            },
            stored: vec![stored],
            program: Program {
                definition: Arc::new(definition.clone()),
                language: Arc::new(self.language),
            },
            token: Token(0),
        }
    }

    /// Submits a run that is new.
    pub async fn queue(&self, definition: &Definition, request: &str) -> RunId {
        match self.submit(definition, request).await {
            Reply::Queued(run) => run,
            other => panic!("the run was not queued: {other:?}"),
        }
    }

    /// Waits until the executor sees that the disk is nearly full.
    pub async fn disk_is_low(&mut self) {
        while !matches!(self.news.recv().await, Ok(News::Space(SpaceChange::Low))) {}
    }

    /// Waits for the end of a run.
    pub async fn ended(&mut self, run: RunId) -> Outcome {
        loop {
            match self.news.recv().await.expect("the executor runs") {
                News::Ended { run: of, outcome } if of == run => return outcome,
                _ => {}
            }
        }
    }

    /// Waits until all of these runs have succeeded, also when news were missed.
    pub async fn all_succeeded(&mut self, mut open: BTreeSet<RunId>) {
        while !open.is_empty() {
            match self.news.recv().await {
                Ok(News::Ended { run, outcome }) if open.remove(&run) => {
                    assert_eq!(outcome, Outcome::Succeeded, "{run}");
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => open.retain(|run| !self.has_succeeded(*run)),
                Err(RecvError::Closed) => panic!("the executor has ended"),
            }
        }
    }

    fn has_succeeded(&self, run: RunId) -> bool {
        let record =
            self.reader.run(run).expect("the store can be read").expect("the run is known");
        match record.status {
            RunStatus::Queued | RunStatus::Running => false,
            RunStatus::Succeeded => true,
            RunStatus::Partial | RunStatus::Failed => panic!("{run} has not succeeded"),
        }
    }
}
