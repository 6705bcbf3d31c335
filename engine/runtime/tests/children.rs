//! Child runs that cannot be: the step that asked is told, and the executor goes on for everybody else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Program, Submit, Token};
use holdfast_drive::output::{Refusal, Reply};
use holdfast_journal::query::Reader;
use holdfast_kernel::definition::{
    ChildUse, Definition, EffectClass, Operation, Step, Work, Writes,
};
use holdfast_kernel::event::{KeyKind, Request};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;
use holdfast_kernel::status::{Outcome, Reason};
use holdfast_kernel::submit::child_key;
use holdfast_rig::{Plain, Rig, acting, chain, done, stored};
use holdfast_runtime::children::{ChildRequest, Children};
use holdfast_simulation::disk::SimulatedDisk;

/// Makes requests as another version of the program might: with this definition in place of what is stored.
struct Other(Option<Definition>);

impl Children for Other {
    fn request(&self, child: ChildRequest, _: &Reader) -> Result<Submit, Failure> {
        let ChildRequest { run, initiator, digest, definition, with } = child;
        let definition = self.0.clone().map_or(definition, Arc::new);
        Ok(Submit {
            request: Request {
                run,
                definition: digest,
                target: None,
                object: Vec::new(),
                inputs: with,
                dedupe_key: child_key(run),
                key_kind: KeyKind::Inputs,
                group: None,
                rerun_of: None,
                initiator,
            },
            stored: Vec::new(),
            program: Program { definition, language: Arc::new(Plain::items(0)) },
            token: Token(0),
        })
    }
}

/// An inventory that writes its target.
fn not_allowed() -> Definition {
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.operation = Operation::Inventory;
    if let Work::Action(used) = &mut definition.steps[0].work {
        used.writes = Writes::Target;
    }
    definition
}

fn rig(children: Other) -> Rig {
    let (disk, limits) = (Arc::new(SimulatedDisk::new()), Limits::default());
    let actions = acting(|_, _| async { done() });
    Rig::with_children(disk, Plain::items(0), actions, limits, Arc::new(children))
}

/// A workflow whose one step runs this one.
fn parent_of(child: Digest) -> Definition {
    let mut definition = chain(1, EffectClass::Idempotent);
    let step: &mut Step = &mut definition.steps[0];
    step.work = Work::Child(ChildUse {
        workflow: "kid".to_owned(),
        definition: child,
        writes: Writes::Nothing,
        with: None,
    });
    definition
}

fn submission(rig: &Rig, child: &Definition, request: &str) -> Submit {
    let child = stored(child);
    let mut submit = rig.submission(&parent_of(child.digest), request);
    submit.stored.push(child);
    submit
}

async fn ended(rig: &mut Rig, submit: Submit) -> (Outcome, Option<Failure>) {
    let run = submit.request.run;
    assert_eq!(rig.handle.submit(submit).await, Ok(Reply::Queued(run)));
    let outcome = rig.ended(run).await;
    let loaded = rig.reader.load(run).unwrap().unwrap();
    (outcome, loaded.state.steps[0].failure.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_no_journal_would_store_fails_its_step() {
    let mut rig = rig(Other(Some(not_allowed())));
    let submit = submission(&rig, &chain(1, EffectClass::Idempotent), "a");
    let (outcome, failure) = ended(&mut rig, submit).await;
    assert_eq!(outcome, Outcome::Failed(Reason::StepFailed));
    let failure = failure.unwrap();
    assert_eq!(failure.class, Class::Invalid, "{failure}");
    assert!(failure.message.contains("the child run cannot be run"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_with_anything_that_no_journal_would_store_harms_nobody_else() {
    let mut rig = rig(Other(None));
    let sound = chain(1, EffectClass::Idempotent);
    let (mut other_digest, mut not_there) =
        (submission(&rig, &sound, "a"), submission(&rig, &sound, "b"));
    other_digest.stored[1].digest = Digest::of_bytes(b"something else");
    not_there.stored.remove(0);
    for submit in [submission(&rig, &not_allowed(), "c"), other_digest, not_there] {
        let reply = rig.handle.submit(submit).await.unwrap();
        assert!(matches!(reply, Reply::Refused(Refusal::Invalid(_))), "{reply:?}");
    }
    let submit = submission(&rig, &sound, "d");
    assert_eq!(ended(&mut rig, submit).await, (Outcome::Succeeded, None));
}
