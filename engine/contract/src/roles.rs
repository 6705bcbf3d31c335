//! Who may approve: roles, and the rule that a plan is approved by another person.
//!
//! Names are those that the system gives; who may ask at all is decided elsewhere.

use std::collections::BTreeMap;

use crate::records::{Approval, ApprovalVerdict};

/// Roles with the people who have them. A role that is not listed is everybody's who may use the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(pub BTreeMap<String, Vec<String>>);

impl Roles {
    /// Whether a person is one of these names, or has one of these roles.
    pub fn has(&self, person: &str, wanted: &[String]) -> bool {
        wanted.iter().any(|wanted| {
            wanted == person
                || match self.0.get(wanted) {
                    Some(people) => people.iter().any(|of| of == person),
                    None => wanted == APPROVER && !self.0.contains_key(APPROVER),
                }
        })
    }

    /// Whether somebody who may say it has said anything about a plan.
    pub fn are_heard(&self, words: &[Approval], wanted: &[String]) -> bool {
        words.iter().any(|word| self.has(&word.by, wanted))
    }

    /// Whether a plan is approved as its target asks: the last word is that of a person who may say it and is not
    /// the one who asked for the run.
    ///
    /// # Errors
    /// A fragment that says why not.
    pub fn approved(
        &self,
        words: &[Approval],
        wanted: &[String],
        initiator: &str,
    ) -> Result<(), String> {
        if initiator.is_empty() {
            return Err("its target asks for the approval of another person, and who asked for the run cannot \
                        be told"
                .to_owned());
        }
        let may = |word: &&Approval| self.has(&word.by, wanted);
        let Some(last) = words.iter().rfind(|word| {
            may(word) && (word.verdict == ApprovalVerdict::Rejected || word.by != initiator)
        }) else {
            let own = words.iter().any(|word| word.by == initiator);
            let why = if own { ", and the one who asks for the restore may not" } else { "" };
            return Err(format!(
                "its target asks for the approval of {} and nobody has given it{why}",
                wanted.join(" or ")
            ));
        };
        match last.verdict {
            ApprovalVerdict::Approved => Ok(()),
            ApprovalVerdict::Rejected => Err(format!("{} rejected it", last.by)),
        }
    }
}

/// The role that is everybody's until the configuration lists who has it.
pub const APPROVER: &str = "approver";

#[cfg(test)]
mod tests {
    use holdfast_kernel::id::Instant;

    use super::*;

    fn word(by: &str, verdict: ApprovalVerdict) -> Approval {
        Approval {
            plan: "plan_1".to_owned(),
            by: by.to_owned(),
            verdict,
            comment: String::new(),
            at: Instant(0),
            run: None,
        }
    }

    #[test]
    fn nobody_is_another_person_than_somebody_unknown() {
        let (roles, wanted) = (Roles::default(), ["approver".to_owned()]);
        let words = [word("ann", ApprovalVerdict::Approved)];
        assert!(roles.approved(&words, &wanted, "bob").is_ok());
        let refused = roles.approved(&words, &wanted, "").unwrap_err();
        assert!(refused.contains("cannot be told"), "{refused}");
    }

    #[test]
    fn a_role_is_its_people_and_a_name_is_itself() {
        let listed = Roles([("approver".to_owned(), vec!["ann".to_owned()])].into());
        let wanted = ["approver".to_owned(), "bob".to_owned()];
        for (person, expect) in [("ann", true), ("bob", true), ("cid", false), ("approver", true)] {
            assert_eq!(listed.has(person, &wanted), expect, "{person}");
        }
        assert!(Roles::default().has("anybody", &wanted));
        assert!(!Roles::default().has("anybody", &["owner".to_owned()]), "nobody has it");
    }

    #[test]
    fn a_plan_is_approved_by_another_person_and_the_last_word_counts() {
        use ApprovalVerdict::{Approved, Rejected};
        let (roles, wanted) = (Roles::default(), ["approver".to_owned()]);
        let check = |words: &[(&str, ApprovalVerdict)], expect: Option<&str>| {
            let words: Vec<_> = words.iter().map(|(by, verdict)| word(by, *verdict)).collect();
            let found = roles.approved(&words, &wanted, "me").err();
            match (found, expect) {
                (None, None) => {}
                (Some(found), Some(expect)) => assert!(found.contains(expect), "{found}"),
                (found, _) => panic!("{words:?}: {found:?}"),
            }
        };
        check(&[], Some("nobody has given it"));
        check(&[("me", Approved)], Some("may not"));
        check(&[("ann", Approved)], None);
        check(&[("ann", Approved), ("me", Approved)], None);
        check(&[("ann", Approved), ("bob", Rejected)], Some("bob rejected it"));
        check(&[("ann", Approved), ("me", Rejected)], Some("me rejected it"));
        check(&[("bob", Rejected), ("ann", Approved)], None);
    }
}
