//! The schedules of a workflow: whether each can ever have a tick, and whether what it says fits together and fits
//! what the workflow declares.
//!
//! No clock is read and no tick is decided here. A target, a backup set or a plan is looked up when a run is
//! made; only the form of such a value is judged.

mod given;

use std::collections::BTreeMap;

use holdfast_calendar::cron::{Cron, CronError};
use holdfast_calendar::zone::Zone;
use holdfast_kernel::definition::{Operation, Step, Writes};
use holdfast_kernel::id::Millis;
use holdfast_kernel::tick::{CatchUp, Overlap, Policy};
use holdfast_kernel::value::Value;

use super::Used;
use super::input::secret;
use crate::action::COMMAND;
use crate::child::ChildWorkflow;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::input::Declarations;
use crate::schedule::{Heartbeat, Schedule};
use crate::shape::check::wrong_type;
use crate::source::Span;
use crate::suggest;
use crate::workflow::{StepNode, Workflow, entry, get, is_true, millis, text};
use crate::yaml::{Entry, Node};

/// How zones are called.
const ZONES: &str =
    "A zone has its IANA name, such as `Europe/Berlin`, `America/New_York` or `UTC`.";

/// What to write where the address itself may not stand.
const REFERENCE: &str = "Write where the address is found: `{ env: NAME }`, `{ file: PATH }` or \
                         `{ command: [program] }`.";

const MINUTE: Millis = Millis::seconds(60);
const DAY: Millis = Millis::seconds(24 * 60 * 60);
const MONTH: Millis = Millis::seconds(31 * 24 * 60 * 60);
const ANY: Millis = Millis(u64::MAX);

/// The schedules of the file, in its order. One with a mistake is left out, and that was reported.
pub(super) fn check(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    declarations: &Declarations,
    used: &[Option<Used>],
) -> Vec<Schedule> {
    let list = get(workflow.root, "on").and_then(|on| get(on, "schedule"));
    let nodes = list.and_then(Node::list).unwrap_or_default();
    check_ids(sink, nodes);
    let grave = of_workflow(workflow, used);
    let mut schedules = Vec::new();
    for node in nodes.iter().filter(|node| node.entries().is_some()) {
        if sink.is_full() {
            break;
        }
        let inputs = given::inputs(sink, workflow.root, declarations, node);
        schedules.extend(schedule(sink, node, inputs));
        check_use(sink, node);
        check_catch_up(sink, node, grave);
    }
    schedules
}

fn check_ids(sink: &mut Sink<'_>, schedules: &[Node]) {
    let mut ids: BTreeMap<&str, Span> = BTreeMap::new();
    for node in schedules.iter().filter_map(|schedule| get(schedule, "id")) {
        let Some(id) = node.text() else {
            continue;
        };
        if let Some(first) = ids.get(id).copied() {
            sink.error(
                Code::DuplicateSchedule,
                node.span,
                format!("There are two schedules of the id `{id}`."),
            )
            .related(first, "it is here first")
            .remedy("Give one of them another id.");
        } else {
            ids.insert(id, node.span);
        }
    }
}

/// The schedule; none if a part of it is missing or was reported.
fn schedule(sink: &mut Sink<'_>, node: &Node, inputs: BTreeMap<String, Value>) -> Option<Schedule> {
    let cron = get(node, "cron").and_then(|node| cron(sink, node));
    let zone = match get(node, "timezone") {
        Some(node) => zone(sink, node),
        None => Some(Zone::utc()),
    };
    let window = within(sink, node, "catch_up_window", (MINUTE, MONTH), "is from 1m to 31d");
    let jitter = within(sink, node, "jitter", (Millis::ZERO, DAY), "is at most 24h");
    let expected = within(sink, node, "expect_success_within", (MINUTE, ANY), "is at least 1m");
    let heartbeat = entry(node, "heartbeat_url").and_then(|entry| heartbeat(sink, entry));
    let usual = Policy::default();
    Some(Schedule {
        id: text(node, "id")?.to_owned(),
        cron: cron?,
        zone: zone?,
        inputs,
        policy: Policy {
            overlap: word(node, "overlap", Overlap::ALL, Overlap::word).unwrap_or(usual.overlap),
            catch_up: catch_up(node).unwrap_or(usual.catch_up),
            catch_up_window: window.unwrap_or(usual.catch_up_window),
        },
        jitter: jitter.unwrap_or(Millis::ZERO),
        expect_success_within: expected,
        accept_partial: is_true(node, "accept_partial"),
        heartbeat,
    })
}

/// The one of a few that a key names.
fn word<T: Copy, const N: usize>(
    node: &Node,
    key: &str,
    all: [T; N],
    word: fn(T) -> &'static str,
) -> Option<T> {
    let said = text(node, key)?;
    all.into_iter().find(|one| word(*one) == said)
}

fn catch_up(schedule: &Node) -> Option<CatchUp> {
    word(schedule, "catch_up", CatchUp::ALL, CatchUp::word)
}

/// The text of a value that has no template.
fn literal<'n>(sink: &mut Sink<'_>, node: &'n Node) -> Option<&'n str> {
    let text = node.text()?;
    if text.contains("{{") {
        wrong_type(sink, node, "text");
        return None;
    }
    Some(text)
}

fn cron(sink: &mut Sink<'_>, node: &Node) -> Option<Cron> {
    let text = literal(sink, node)?;
    match Cron::parse(text) {
        Ok(cron) => return Some(cron),
        Err(CronError::NeverFires) => {
            let message = format!("No day of any year matches `{text}`.");
            sink.error(Code::CronNeverMatches, node.span, message)
                .remedy("Write a day that there is: not every month has a 30th or a 31st.");
        }
        Err(reason @ CronError::Malformed(_)) => {
            let message = format!("This is no cron pattern: {reason}.");
            sink.error(Code::BadCron, node.span, message).remedy(in_place_of(text));
        }
    }
    None
}

/// What to write in place of a text that is no cron pattern.
fn in_place_of(text: &str) -> &'static str {
    let fields = text.split_whitespace().count();
    if text.trim_start().starts_with("@reboot") {
        "The start of a machine is no tick. Write a time, as `15 2 * * *` or `@daily`."
    } else if fields == 6 || fields == 7 {
        "There are neither seconds nor years: take their field away."
    } else {
        "Write minute, hour, day of the month, month and day of the week: `15 2 * * *`, or `@daily`."
    }
}

fn zone(sink: &mut Sink<'_>, node: &Node) -> Option<Zone> {
    let name = literal(sink, node)?;
    if let Ok(zone) = Zone::named(name) {
        return Some(zone);
    }
    sink.error(Code::UnknownZone, node.span, format!("There is no time zone `{name}`."))
        .remedy(meant(name));
    None
}

/// The zone that was most likely meant, and how zones are called.
fn meant(name: &str) -> String {
    let zones = Zone::names();
    let names = zones.iter().map(String::as_str);
    let asked = name.replace(' ', "_");
    let is_spelled = |zone: &str| zone.eq_ignore_ascii_case(&asked);
    let is_of_city = |zone: &str| zone.rsplit_once('/').is_some_and(|(_, city)| is_spelled(city));
    let found = names
        .clone()
        .find(|zone| is_spelled(zone))
        .or_else(|| names.clone().find(|zone| is_of_city(zone)))
        .or_else(|| suggest::closest(name, names));
    match found {
        Some(meant) => format!("Did you mean `{meant}`? {ZONES}"),
        None => ZONES.to_owned(),
    }
}

/// A duration in its bounds; `rule` says them.
fn within(
    sink: &mut Sink<'_>,
    schedule: &Node,
    key: &str,
    (least, most): (Millis, Millis),
    rule: &str,
) -> Option<Millis> {
    let found = millis(schedule, key)?;
    if found < least || found > most {
        let span = get(schedule, key).map_or(schedule.span, |node| node.span);
        sink.error(Code::OutOfRange, span, format!("`{key}` {rule}."))
            .remedy("Choose a value in that range.");
        return None;
    }
    Some(found)
}

/// What is called after a run; that a template stands there was reported by the table of keys.
fn heartbeat(sink: &mut Sink<'_>, declared: &Entry) -> Option<Heartbeat> {
    let node = &declared.value;
    if node.entries().is_some() {
        return secret(sink, declared).map(Heartbeat::Secret);
    }
    let text = node.text().filter(|text| !text.contains("{{"))?;
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let machine = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if machine.contains('@') {
        sink.error(
            Code::SecretWritten,
            node.span,
            "What stands before `@` in an address is a secret, and is not written into the file.",
        )
        .remedy(REFERENCE);
        return None;
    }
    let names_one = !machine.is_empty() && !machine.starts_with(':');
    let has_gap = text.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    if !matches!(scheme, "https" | "http") || !names_one || has_gap {
        sink.error(Code::BadHeartbeat, node.span, "This is no address that can be called.")
            .remedy("Write one that starts with `https://` or `http://` and names a machine.");
        return None;
    }
    Some(Heartbeat::Url(text.to_owned()))
}

/// Where a schedule as a whole is reported.
fn id_span(schedule: &Node) -> Span {
    get(schedule, "id").map_or(schedule.span, |id| id.span)
}

/// Warns of keys that say more about something that is not there.
fn check_use(sink: &mut Sink<'_>, schedule: &Node) {
    let counts = ["expect_success_within", "heartbeat_url"].map(|key| get(schedule, key));
    if let Some(entry) = entry(schedule, "accept_partial")
        && counts.iter().all(Option::is_none)
    {
        sink.warning(
            Code::KeyWithoutUse,
            entry.key_span,
            "Nobody asks this schedule whether a run succeeded.",
        )
        .remedy("Add `expect_success_within` or `heartbeat_url`, or leave `accept_partial` out.");
    }
    if let Some(entry) = entry(schedule, "catch_up_window")
        && catch_up(schedule) == Some(CatchUp::None)
    {
        sink.warning(
            Code::KeyWithoutUse,
            entry.key_span,
            "With `catch_up: none` no missed tick is caught up with, however late.",
        )
        .remedy("Leave `catch_up_window` out, or write `catch_up: latest`.");
    }
}

/// Warns if nothing is said of missed ticks though it matters.
fn check_catch_up(sink: &mut Sink<'_>, schedule: &Node, grave: Option<(Span, &'static str)>) {
    let Some((span, reason)) = grave.filter(|_| get(schedule, "catch_up").is_none()) else {
        return;
    };
    sink.warning(
        Code::CatchUpUnsaid,
        id_span(schedule),
        "This schedule does not say what becomes of ticks that are missed.",
    )
    .related(span, reason)
    .remedy(
        "Write `catch_up: latest` to catch up with the latest one, `catch_up: none` with none.",
    );
}

/// What makes it matter when a run of the workflow starts, and where that stands.
fn of_workflow(workflow: &Workflow<'_>, used: &[Option<Used>]) -> Option<(Span, &'static str)> {
    let restores = workflow.operation == Some(Operation::Restore);
    let operation = get(workflow.root, "operation").filter(|_| restores);
    let mut steps = workflow.steps.iter().zip(used);
    steps
        .find_map(|(step, used)| of_step(step, used.as_ref()))
        .or_else(|| Some((operation?.span, "a restore writes its target")))
}

fn of_step(step: &StepNode<'_>, used: Option<&Used>) -> Option<(Span, &'static str)> {
    if let Some(used) = used {
        let span = step.uses.map_or(step.id_span, |(_, span)| span);
        return if used.spec.name == COMMAND {
            Some((span, "this step runs a program"))
        } else {
            (used.writes == Writes::Target).then_some((span, "this step may write the target"))
        };
    }
    let child = step.child.as_ref()?;
    let found = child.found.as_ref().ok()?;
    let matters = found.writes() == Writes::Target || runs_a_program(found);
    matters.then_some((child.span, "this workflow runs a program or may write a target"))
}

/// Whether a step of a workflow, or of one that it runs, is a `command`.
fn runs_a_program(workflow: &ChildWorkflow) -> bool {
    let mut actions = workflow.definition.steps.iter().filter_map(Step::action);
    actions.any(|action| action.action == COMMAND)
        || workflow.children.iter().any(|child| runs_a_program(child))
}
