//! What makes two submits the same request.
//!
//! The host holds the keys of the active runs; a key is never stored apart from its run.

use alloc::string::String;

use crate::definition::Operation;
use crate::id::{DedupeKey, Digest, Instant, RunId};
use crate::tick::ScheduleName;
use crate::value::Value;

/// The dedupe key of a request: target identity, operation, workflow, object and inputs.
///
/// `object` is sorted and without doubles; `inputs` is the map of resolved inputs.
pub fn dedupe_key(
    target_identity: Option<&str>,
    operation: Operation,
    workflow: &str,
    object: &[String],
    inputs: &Value,
) -> DedupeKey {
    let object = Value::List(object.iter().map(|part| Value::from(part.as_str())).collect());
    let target = target_parts(target_identity);
    DedupeKey(Digest::of_parts(&[
        b"holdfast request",
        target[0],
        target[1],
        operation.word().as_bytes(),
        workflow.as_bytes(),
        object.canonical().as_bytes(),
        inputs.canonical().as_bytes(),
    ]))
}

/// The dedupe key of a request whose workflow gives its own key in place of object and inputs.
pub fn custom_key(
    target_identity: Option<&str>,
    operation: Operation,
    workflow: &str,
    key: &str,
) -> DedupeKey {
    let target = target_parts(target_identity);
    DedupeKey(Digest::of_parts(&[
        b"holdfast custom key",
        target[0],
        target[1],
        operation.word().as_bytes(),
        workflow.as_bytes(),
        key.as_bytes(),
    ]))
}

/// The same request to a repository that the workflow names is another one.
#[must_use]
pub fn in_repository(key: DedupeKey, repository: Option<&str>) -> DedupeKey {
    let Some(name) = repository else { return key };
    DedupeKey(Digest::of_parts(&[b"holdfast repository", key.0.bytes(), name.as_bytes()]))
}

/// The dedupe key of a run that a tick starts, where others of its schedule may be active beside it.
#[must_use]
pub fn for_tick(key: DedupeKey, schedule: &ScheduleName, tick: Instant) -> DedupeKey {
    DedupeKey(Digest::of_parts(&[
        b"holdfast tick",
        key.0.bytes(),
        schedule.workflow.as_bytes(),
        schedule.id.as_bytes(),
        &tick.0.to_be_bytes(),
    ]))
}

/// The dedupe key of a child run: it is never the same request as a stranger's.
pub fn child_key(run: RunId) -> DedupeKey {
    DedupeKey(Digest::of_parts(&[b"holdfast child run", run.bytes()]))
}

fn target_parts(identity: Option<&str>) -> [&[u8]; 2] {
    match identity {
        Some(identity) => [b"target", identity.as_bytes()],
        None => [b"no target", b""],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;

    #[test]
    fn requests_differ_by_every_part_of_the_key() {
        let object = ["a".to_owned()];
        let inputs = Value::from([("x", Value::from(1))]);
        let base = dedupe_key(Some("t"), Operation::Backup, "w", &object, &inputs);
        assert_eq!(base, dedupe_key(Some("t"), Operation::Backup, "w", &object, &inputs));
        for other in [
            dedupe_key(None, Operation::Backup, "w", &object, &inputs),
            dedupe_key(Some("u"), Operation::Backup, "w", &object, &inputs),
            dedupe_key(Some("t"), Operation::Verify, "w", &object, &inputs),
            dedupe_key(Some("t"), Operation::Backup, "v", &object, &inputs),
            dedupe_key(Some("t"), Operation::Backup, "w", &[], &inputs),
            dedupe_key(Some("t"), Operation::Backup, "w", &object, &Value::empty_map()),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(in_repository(base, None), base);
        assert_ne!(in_repository(base, Some("r")), base);
        assert_ne!(in_repository(base, Some("r")), in_repository(base, Some("s")));
    }

    #[test]
    fn a_key_of_ones_own_is_of_one_target_operation_and_workflow() {
        let base = custom_key(Some("t"), Operation::Backup, "w", "k");
        assert_eq!(base, custom_key(Some("t"), Operation::Backup, "w", "k"));
        for other in [
            custom_key(Some("u"), Operation::Backup, "w", "k"),
            custom_key(None, Operation::Backup, "w", "k"),
            custom_key(Some("t"), Operation::Verify, "w", "k"),
            custom_key(Some("t"), Operation::Backup, "v", "k"),
            custom_key(Some("t"), Operation::Backup, "w", "l"),
            child_key(RunId::from_bytes([0; 16])),
        ] {
            assert_ne!(base, other);
        }
        let child = |byte| child_key(RunId::from_bytes([byte; 16]));
        assert_ne!(child(1), child(2), "a child is never the same request as another");
    }

    #[test]
    fn each_tick_of_each_schedule_is_a_request_of_its_own() {
        let key = |byte| DedupeKey(Digest::of_bytes(&[byte]));
        let name = |workflow: &str, id: &str| ScheduleName {
            workflow: workflow.to_owned(),
            id: id.to_owned(),
        };
        let base = for_tick(key(1), &name("w", "s"), Instant(60));
        assert_eq!(base, for_tick(key(1), &name("w", "s"), Instant(60)));
        for other in [
            key(1),
            for_tick(key(2), &name("w", "s"), Instant(60)),
            for_tick(key(1), &name("v", "s"), Instant(60)),
            for_tick(key(1), &name("w", "t"), Instant(60)),
            for_tick(key(1), &name("w", "s"), Instant(61)),
        ] {
            assert_ne!(base, other);
        }
    }
}
