//! What follows an attempt that did not succeed, by what its effect class allows.
//!
//! The same rule for a refused request, a lost answer, a timeout, a crash of ours: the failure says
//! whether the effect may have happened, the class says what an unknown effect allows.
//!
//! An item that fails keeps the doubt of every attempt of its epoch: a refused attempt says nothing about
//! what an earlier one did. An interrupted attempt needs no leave of the policy. Three unclean deaths in a row end the item.

use alloc::string::String;

use crate::definition::{EffectClass, RetryPolicy};
use crate::event::{BadEnd, Next};
use crate::failure::{Class, Effect, Failure};
use crate::id::{Instant, Millis};
use crate::retry::{Jitter, backoff, next_wait};
use crate::state::{Asked, OpenItem};

/// How many unclean deaths in a row end an item.
pub const DEATHS: u32 = 3;
/// How often a probe that could not be asked is asked again.
pub const PROBES: u32 = 5;

/// What follows an attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Ask the target whether the effect is there.
    Probe,
    /// Another attempt or probe after a wait.
    Retry(Next, Millis),
    /// The item ends.
    End(BadEnd, Failure),
}

/// Whether new attempts may still start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// They may.
    Yes,
    /// The run stops or the step halts.
    No,
    /// The run was killed: nothing is asked any more either.
    Killed,
}

/// An attempt that did not succeed, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What an unknown effect allows.
    pub class: EffectClass,
    /// What the step says about retries.
    pub policy: &'a RetryPolicy,
    /// The item.
    pub open: &'a OpenItem,
    /// How the attempt ended.
    pub failure: &'a Failure,
    /// Whether the effect may have happened, as far as is known by now.
    pub effect: Effect,
    /// Whether any attempt of the item's epoch may have had the effect, and no probe denied it since.
    pub doubt: Effect,
    /// Whether the target has been asked.
    pub asked: Asked,
    /// Whether new attempts may still start.
    pub goes_on: GoesOn,
    /// Now.
    pub at: Instant,
    /// The jitter of the next wait.
    pub jitter: Jitter,
}

/// What follows.
///
/// | effect | class | then |
/// |---|---|---|
/// | none | any | retry if the policy says so, else failed |
/// | unknown | pure, idempotent, keyed | retry if the policy says so, else failed |
/// | unknown | probed, not asked | probe; if the run was killed failed, in doubt: a retry asks first |
/// | unknown | probed, answered | retry if the policy says so, else failed |
/// | unknown | probed, cannot tell | unknown |
/// | unknown | once | unknown |
pub fn settle(case: &Case<'_>) -> Settlement {
    match (case.effect, case.class, case.asked) {
        (Effect::None, _, _)
        | (Effect::Unknown, EffectClass::Pure | EffectClass::Idempotent | EffectClass::Keyed, _)
        | (Effect::Unknown, EffectClass::Probed, Asked::Answered) => settle_by_policy(case),
        (Effect::Unknown, EffectClass::Probed, Asked::No | Asked::Failed)
            if case.goes_on == GoesOn::Killed =>
        {
            settle_by_policy(case)
        }
        (Effect::Unknown, EffectClass::Probed, Asked::No) => Settlement::Probe,
        (Effect::Unknown, EffectClass::Probed, Asked::Failed) => ask_again(case),
        (Effect::Unknown, EffectClass::Probed, Asked::CannotTell) => {
            in_doubt(case.failure, "the target cannot tell whether it happened")
        }
        (Effect::Unknown, EffectClass::Once, _) => {
            in_doubt(case.failure, "it may have happened and cannot be asked about")
        }
    }
}

/// Another attempt is safe; whether there is one is for the policy to say.
fn settle_by_policy(case: &Case<'_>) -> Settlement {
    let ended = |failure: Failure| Settlement::End(BadEnd::Failed, failure.settled(case.doubt));
    if case.open.deaths >= DEATHS {
        let message = "holdfast died three times in a row with this attempt in flight";
        return ended(Failure {
            class: Class::CrashLoop,
            message: String::from(message),
            ..case.failure.clone()
        });
    }
    if case.goes_on != GoesOn::Yes {
        return ended(case.failure.clone());
    }
    if case.failure.class == Class::Interrupted {
        return Settlement::Retry(Next::Attempt, Millis::ZERO);
    }
    match next_wait(case.policy, case.open, case.failure, case.at, case.jitter) {
        Some(wait) => Settlement::Retry(Next::Attempt, wait),
        None => ended(case.failure.clone()),
    }
}

/// The probe could not be asked.
fn ask_again(case: &Case<'_>) -> Settlement {
    if case.goes_on == GoesOn::Yes && case.open.failed_probes < PROBES {
        return Settlement::Retry(
            Next::Probe,
            backoff(case.policy, case.open.failed_probes, case.jitter),
        );
    }
    in_doubt(case.failure, "the target could not be asked whether it happened")
}

fn in_doubt(failure: &Failure, why: &str) -> Settlement {
    let mut failure = failure.clone().settled(Effect::Unknown);
    failure.message.push_str("; ");
    failure.message.push_str(why);
    failure.class = Class::UnknownEffect;
    Settlement::End(BadEnd::Unknown, failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::OpenStage;

    fn open(counted: u32, deaths: u32) -> OpenItem {
        let mut open = OpenItem::new(OpenStage::Due { failure: None }, None);
        (open.counted, open.deaths, open.first_at) = (counted, deaths, Some(Instant(0)));
        open
    }

    /// What follows a failure of `class` with `effect`, in one word.
    fn follows(
        class: EffectClass,
        failed: Class,
        effect: Effect,
        asked: Asked,
        open: &OpenItem,
    ) -> &'static str {
        let policy = RetryPolicy { attempts: 2, ..RetryPolicy::once() };
        let failure = Failure::without_effect(failed, "x").settled(effect);
        let jitter = Jitter(u64::MAX);
        let case = Case {
            class,
            policy: &policy,
            open,
            failure: &failure,
            effect,
            doubt: effect,
            asked,
            goes_on: GoesOn::Yes,
            at: Instant(0),
            jitter,
        };
        match settle(&case) {
            Settlement::Probe => "probe",
            Settlement::Retry(Next::Probe, _) => "probe later",
            Settlement::Retry(Next::Attempt, Millis::ZERO) => "retry at once",
            Settlement::Retry(Next::Attempt, _) => "retry",
            Settlement::End(BadEnd::Unknown, _) => "unknown",
            Settlement::End(BadEnd::Failed, failure) if failure.class == Class::CrashLoop => {
                "crash loop"
            }
            Settlement::End(BadEnd::Failed, _) => "failed",
        }
    }

    #[test]
    fn a_refused_effect_is_retried_by_policy_whatever_the_class() {
        for class in EffectClass::ALL {
            assert_eq!(
                follows(class, Class::Transient, Effect::None, Asked::No, &open(1, 0)),
                "retry"
            );
            assert_eq!(
                follows(class, Class::Permanent, Effect::None, Asked::No, &open(1, 0)),
                "failed"
            );
            assert_eq!(
                follows(class, Class::Transient, Effect::None, Asked::No, &open(2, 0)),
                "failed"
            );
        }
    }

    #[test]
    fn an_unknown_effect_goes_the_way_of_its_class() {
        use EffectClass::{Idempotent, Keyed, Once, Probed, Pure};
        for (class, expect) in [
            (Pure, "retry"),
            (Idempotent, "retry"),
            (Keyed, "retry"),
            (Probed, "probe"),
            (Once, "unknown"),
        ] {
            assert_eq!(
                follows(class, Class::Timeout, Effect::Unknown, Asked::No, &open(1, 0)),
                expect
            );
            // Without another attempt the target or a person decides, or it failed.
            let spent = if expect == "retry" { "failed" } else { expect };
            assert_eq!(
                follows(class, Class::Timeout, Effect::Unknown, Asked::No, &open(2, 0)),
                spent
            );
        }
    }

    #[test]
    fn an_interrupted_attempt_needs_only_the_leave_of_its_class() {
        let spent = open(9, 1);
        let follows =
            |class, asked| follows(class, Class::Interrupted, Effect::Unknown, asked, &spent);
        assert_eq!(follows(EffectClass::Idempotent, Asked::No), "retry at once");
        assert_eq!(follows(EffectClass::Probed, Asked::No), "probe");
        assert_eq!(follows(EffectClass::Probed, Asked::Answered), "retry at once");
        assert_eq!(follows(EffectClass::Once, Asked::No), "unknown");
    }

    #[test]
    fn what_the_target_cannot_tell_is_for_a_person() {
        let follows = |asked, probes| {
            let mut open = open(1, 0);
            open.failed_probes = probes;
            follows(EffectClass::Probed, Class::Timeout, Effect::Unknown, asked, &open)
        };
        assert_eq!(follows(Asked::CannotTell, 0), "unknown");
        assert_eq!(follows(Asked::Failed, 1), "probe later");
        assert_eq!(follows(Asked::Failed, PROBES), "unknown");
    }

    #[test]
    fn three_deaths_in_a_row_end_the_item() {
        let follows = |deaths| {
            follows(
                EffectClass::Pure,
                Class::Interrupted,
                Effect::Unknown,
                Asked::No,
                &open(0, deaths),
            )
        };
        assert_eq!(follows(2), "retry at once");
        assert_eq!(follows(3), "crash loop");
    }
}
