//! Comparisons in expressions: values whose types differ, and words that a value never is.
//!
//! It is the part of [`super::infer`] that keeps a condition from being silently always false.

use holdfast_kernel::status::RunStatus;
use holdfast_kernel::value::Value;

use super::capital;
use super::infer::{IfMissing, Inference};
use crate::code::Code;
use crate::expression::{Expression, What};
use crate::kind::Known;
use crate::suggest;

impl Inference<'_, '_, '_> {
    pub(super) fn comparison(&mut self, left: &Expression, right: &Expression, whole: &Expression) {
        let known_left = self.value(left, IfMissing::Refused);
        let known_right = self.value(right, IfMissing::Refused);
        self.check_word(&known_left, left, right);
        self.check_word(&known_right, right, left);
        // What may be none is compared as what it is otherwise.
        let (left, right) = (known_left.present(), known_right.present());
        if let (Some(a), Some(b)) = (left.family(), right.family())
            && a != b
        {
            let span = self.span(whole);
            self.sink
                .error(
                    Code::TypesDiffer,
                    span,
                    format!("{} is compared with {}.", capital(left.name()), right.name()),
                )
                .remedy("Compare values of one type; text stands in quotes.");
        }
    }

    /// The same for each element of a list.
    pub(super) fn check_words(&mut self, known: &Known, of: &Expression, list: &Expression) {
        let What::List(choices) = &list.what else {
            return;
        };
        for choice in choices {
            self.check_word(known, of, choice);
        }
    }

    /// Reports a word that a value of few words is compared with and never is.
    fn check_word(&mut self, known: &Known, of: &Expression, other: &Expression) {
        let (Known::Word(words), What::Constant(Value::Text(text))) =
            (known.present(), &other.what)
        else {
            return;
        };
        if words.contains(&text.as_str()) {
            return;
        }
        let remedy = RunStatus::from_word(text)
            .filter(|status| words.contains(&status.word()))
            .map_or_else(|| suggest::remedy(text, words), |status| format!("Write `{status}`."));
        let of = self.sink.source().slice(self.span(of)).to_owned();
        let span = self.span(other);
        self.sink
            .error(Code::NotAStatus, span, format!("`{of}` is never `{text}`."))
            .remedy(remedy);
    }
}
