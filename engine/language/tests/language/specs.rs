//! Specs of a few actions, in the shape of the real ones.

use std::sync::Arc;

use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::id::Digest;
use holdfast_language::child::{ChildRefusal, ChildWorkflow, Workflows};
use holdfast_language::{Actions, Source, check};

const BASE: ActionSpec = ActionSpec {
    name: "",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::Run,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[],
    outputs: &[],
    summary: "",
    remarks: "",
    example: "",
};

const NAMES: Shape = Shape::List(&Shape::String);

const LISTED: Shape = Shape::List(&Shape::Record(&[
    Field::required("key", Shape::String, "The key."),
    Field::required("kind", Shape::String, "The kind."),
    Field::required("name", Shape::String, "The name."),
    Field::required("stage", Shape::Integer, "The stage."),
    Field::required("number", Shape::Integer, "Its place in the tests' lists."),
]));

const SPECS: &[ActionSpec] = &[
    ActionSpec {
        name: "approval",
        effect: EffectClass::Pure,
        writes: Writes::Nothing,
        target: TargetUse::None,
        defaults: Defaults::DoNotReach,
        inputs: &[
            Field::optional("plan", Shape::Plan, "The plan that is approved."),
            Field::optional("text", Shape::Text, "The question."),
            Field::optional("by", NAMES, "Who may answer."),
            Field::optional("allow_self", Shape::Boolean, "Whether one may answer oneself."),
        ],
        outputs: &[Field::required("by", Shape::String, "Who approved.")],
        ..BASE
    },
    ActionSpec {
        name: "command",
        effect: EffectClass::Once,
        writes: Writes::Target,
        target: TargetUse::None,
        defaults: Defaults::DoNotReach,
        env: Env::Taken,
        inputs: &[
            Field::required("argv", NAMES, "The program and its arguments."),
            Field::optional("cwd", Shape::String, "Where it runs."),
            Field::optional("stdin", Shape::Text, "What it reads.").with_secrets(),
            Field::optional("ok_exit_codes", Shape::List(&Shape::Integer), "What is success."),
            Field::optional("parse", Shape::Word(&["text", "json"]), "How its output is read."),
        ],
        outputs: &[
            Field::required("exit_code", Shape::Integer, "The exit code."),
            Field::required("stdout", Shape::Text, "The end of its output."),
            Field::optional("json", Shape::Any, "Its output, read as JSON."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "sleep",
        target: TargetUse::None,
        defaults: Defaults::DoNotReach,
        inputs: &[Field::required("duration", Shape::Duration, "How long.")],
        ..BASE
    },
    ActionSpec {
        name: "assert",
        target: TargetUse::None,
        defaults: Defaults::DoNotReach,
        inputs: &[
            Field::required("that", Shape::Boolean, "What must be true."),
            Field::optional("message", Shape::Text, "What is said if not."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "inventory",
        inputs: &[
            Field::optional("kinds", NAMES, "Which kinds."),
            Field::optional("names", NAMES, "Which names."),
        ],
        outputs: &[
            Field::required("items", LISTED, "What there is."),
            Field::required("count", Shape::Integer, "How many."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "capture",
        effect: EffectClass::Idempotent,
        writes: Writes::Repository,
        batch: Batch::Allowed,
        item: ItemUse::Taken,
        inputs: &[Field::optional("item", Shape::Item, "The item.")],
        outputs: &[
            Field::required("key", Shape::String, "Its key."),
            Field::required("bytes", Shape::Integer, "Its size."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "backup_set.seal",
        effect: EffectClass::Probed,
        writes: Writes::Repository,
        defaults: Defaults::DoNotReach,
        inputs: &[
            Field::optional("from", Shape::Steps, "The steps that captured."),
            Field::optional("allow_empty", Shape::Boolean, "Whether nothing is allowed."),
        ],
        outputs: &[
            Field::required("backup_set", Shape::BackupSet, "The set."),
            Field::required("previous", Shape::OrNone(&Shape::BackupSet), "The one before."),
            Field::required("complete", Shape::Boolean, "Whether it is complete."),
            Field::required("count", Shape::Integer, "How many objects."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "backup_set.open",
        inputs: &[
            Field::optional("backup_set", Shape::BackupSet, "The set."),
            Field::optional("kinds", NAMES, "Which kinds."),
            Field::optional("target", Shape::Target, "Whose set."),
            Field::optional("verified_within", Shape::Duration, "How fresh."),
        ],
        outputs: &[
            Field::required("backup_set", Shape::BackupSet, "The set."),
            Field::required("items", LISTED, "What is in it."),
            Field::required("count", Shape::Integer, "How many."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "plan.compare",
        batch: Batch::Allowed,
        item: ItemUse::Taken,
        inputs: &[
            Field::optional("item", Shape::Item, "The item."),
            Field::required("backup_set", Shape::BackupSet, "The set."),
            Field::optional("unmapped", Shape::Word(&["block", "leave_out"]), "What then."),
        ],
        outputs: &[Field::required("change", Shape::String, "The change.")],
        ..BASE
    },
    ActionSpec {
        name: "plan.freeze",
        effect: EffectClass::Idempotent,
        defaults: Defaults::DoNotReach,
        run_when: RunWhen::Clean,
        inputs: &[
            Field::optional("from", Shape::Steps, "The steps that compared."),
            Field::optional("expires", Shape::Duration, "When it expires."),
        ],
        outputs: &[
            Field::required("plan", Shape::Plan, "The plan."),
            Field::required("count", Shape::Integer, "How many changes."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "plan.open",
        inputs: &[Field::required("plan", Shape::Plan, "The plan.")],
        outputs: &[
            Field::required("plan", Shape::Plan, "The plan."),
            Field::required("items", LISTED, "Its changes."),
        ],
        ..BASE
    },
    ActionSpec {
        name: "plan.apply",
        effect: EffectClass::Probed,
        writes: Writes::Target,
        batch: Batch::Allowed,
        item: ItemUse::Taken,
        inputs: &[
            Field::required("plan", Shape::Plan, "The plan."),
            Field::optional("item", Shape::Item, "The item."),
        ],
        outputs: &[Field::required("change", Shape::String, "The change.")],
        ..BASE
    },
];

pub(crate) fn actions() -> Actions {
    Actions::new(SPECS).with_workflows(Arc::new(Shelf))
}

/// Workflows that steps may run.
#[derive(Debug)]
struct Shelf;

const TIDY: &str = "holdfast: 1\nname: tidy\noperation: maintenance\n\
    inputs:\n  days: { type: integer, required: true, min: 1 }\n  deep: { type: boolean }\n\
    steps:\n  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n\
    outputs:\n  count: \"{{ inputs.days }}\"\n";

const WRITES: &str = "holdfast: 1\nname: writes\noperation: maintenance\n\
    steps:\n  - id: free\n    uses: command\n    with: { argv: [df] }\n";

impl Workflows for Shelf {
    fn child(
        &self,
        name: &str,
        _repository: Option<&str>,
    ) -> Result<Arc<ChildWorkflow>, ChildRefusal> {
        let text = match name {
            "tidy" => TIDY.to_owned(),
            "still" => TIDY.replace("required: true, ", ""),
            "writes" => WRITES.to_owned(),
            "circle" => return Err(ChildRefusal::Circle("circle -> circle".to_owned())),
            "deep" => return Err(ChildRefusal::TooDeep),
            "broken" => return Err(ChildRefusal::Invalid("it has no steps.".to_owned())),
            _ => return Err(ChildRefusal::Unknown),
        };
        let checked = check(&Source::new(name, text.as_str()), &Actions::new(SPECS));
        let Ok(checked) = checked else { return Err(ChildRefusal::Unknown) };
        Ok(Arc::new(ChildWorkflow {
            definition: checked.definition,
            digest: Digest::of_bytes(text.as_bytes()),
            lowered: String::new(),
            text,
            declarations: checked.declarations,
            children: Vec::new(),
        }))
    }

    fn names(&self) -> Vec<String> {
        ["tidy", "still", "writes"].map(str::to_owned).to_vec()
    }
}
