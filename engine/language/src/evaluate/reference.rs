//! What an expression reads of a run, so that no more than that is loaded.

use std::collections::{BTreeMap, BTreeSet};

use crate::expression::Expression;

/// What an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// The names at the start of its paths.
    pub names: BTreeSet<String>,
    /// The steps.
    pub steps: BTreeMap<String, StepParts>,
    /// The secrets.
    pub secrets: BTreeSet<String>,
}

/// What an expression reads of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepParts {
    /// `status`, `output`, `error`, `counts`, `results`; empty: all of them.
    pub parts: BTreeSet<String>,
    /// Whether `parts` being empty means all.
    pub whole: bool,
    /// The fields of the output; none: all of them.
    pub output: Option<BTreeSet<String>>,
}

impl References {
    /// What an expression reads.
    pub(crate) fn of(expression: &Expression) -> Self {
        let mut references = Self::default();
        expression.each_path(&mut |path| references.add(path));
        references
    }

    fn add(&mut self, path: &[&str]) {
        let Some((name, rest)) = path.split_first() else {
            return;
        };
        self.names.insert((*name).to_owned());
        match (*name, rest) {
            ("secrets", [secret, ..]) => {
                self.secrets.insert((*secret).to_owned());
            }
            ("steps", [id, rest @ ..]) => {
                let first = !self.steps.contains_key(*id);
                let step = self.steps.entry((*id).to_owned()).or_default();
                if first {
                    step.output = Some(BTreeSet::new());
                }
                step.add(rest);
            }
            _ => {}
        }
    }
}

impl StepParts {
    fn add(&mut self, path: &[&str]) {
        match path {
            [] => {
                self.whole = true;
                self.output = None;
            }
            ["output"] => {
                self.parts.insert("output".to_owned());
                self.output = None;
            }
            ["output", field, ..] => {
                self.parts.insert("output".to_owned());
                if let Some(fields) = &mut self.output {
                    fields.insert((*field).to_owned());
                }
            }
            [part, ..] => {
                self.parts.insert((*part).to_owned());
            }
        }
    }

    /// Whether it reads this part.
    pub(crate) fn reads(&self, part: &str) -> bool {
        self.whole || self.parts.contains(part)
    }

    /// Whether it reads this field of the output.
    pub(crate) fn reads_field(&self, field: &str) -> bool {
        self.output.as_ref().is_none_or(|fields| fields.contains(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse;

    #[test]
    fn only_what_is_read_is_loaded() {
        let references = |text: &str| References::of(&parse(text).unwrap());
        let found = references("steps.list.output.count > 0 and secrets.token != inputs.x");
        let list = &found.steps["list"];
        assert!(list.reads("output") && !list.reads("results"));
        assert!(list.reads_field("count") && !list.reads_field("items"));
        assert!(found.secrets.contains("token") && found.names.contains("inputs"));
        let whole = &references("steps.list | tojson").steps["list"];
        assert!(whole.reads("results") && whole.reads_field("items"));
        let output = &references("steps.a.output.x ~ (steps.a.output | tojson)").steps["a"];
        assert!(output.reads_field("y") && !output.reads("status"));
    }
}
