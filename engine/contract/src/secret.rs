//! Secrets: declared by reference, resolved for one attempt, masked wherever text leaves it.
//!
//! A [`Mask`] knows the values an attempt was given and the forms in which they could come out again. It is
//! never stored and never printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use holdfast_kernel::value::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for a secret in text.
pub const MASKED: &str = "***";

/// Shorter values are not masked: they would turn every text into stars, and protect nothing.
const SHORTEST: usize = 4;

/// The secrets an attempt was given, in every form in which they could come out again.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first, so that a form within another is not masked before it.
    forms: Vec<String>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask of {} forms", self.forms.len())
    }
}

impl Mask {
    /// Adds a secret's value: itself, base64, URL-encoded and JSON-escaped.
    pub fn add(&mut self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
        let mut whole: Vec<&str> = lines.collect();
        whole.push(secret);
        for part in whole.into_iter().filter(|part| part.len() >= SHORTEST) {
            self.forms.extend(base64_forms(part.as_bytes()));
            self.forms.extend([part.to_owned(), url_encoded(part), json_escaped(part)]);
        }
        self.forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.forms.dedup();
    }

    /// Adds everything another mask knows.
    pub fn merge(&mut self, other: Self) {
        self.forms.extend(other.forms);
        self.forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.forms.dedup();
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        let hit = self.forms.iter().any(|form| text.contains(form.as_str()));
        if !hit {
            return text.to_owned();
        }
        self.forms.iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), MASKED))
    }

    /// The value without secrets, keys of maps included.
    pub fn value(&self, value: Value) -> Value {
        if self.is_empty() {
            return value;
        }
        match value {
            Value::Text(text) => Value::Text(self.text(&text)),
            Value::List(list) => {
                Value::List(list.into_iter().map(|value| self.value(value)).collect())
            }
            Value::Map(map) => Value::Map(
                map.into_iter().map(|(key, value)| (self.text(&key), self.value(value))).collect(),
            ),
            Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => value,
        }
    }
}

/// The parts of base64 text that are the same wherever the secret stands in what was encoded.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let shifted: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
        // The first and last characters also depend on what stands beside the secret.
        let first = (shift * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let form = encoded.get(first..last).filter(|form| form.len() >= SHORTEST);
            forms.extend(form.map(str::to_owned));
        }
    }
    forms
}

fn url_encoded(text: &str) -> String {
    /// What RFC 3986 leaves as it is, section 2.3.
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ENCODED).to_string()
}

fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).canonical();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut mask = Mask::default();
        mask.add("pa\"ss word/1");
        assert_eq!(mask.text(text), expect);
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        check("x pa\"ss word/1 y", "x *** y");
        check(r#"{"k":"pa\"ss word/1"}"#, r#"{"k":"***"}"#);
        check("https://h/?p=pa%22ss%20word%2F1", "https://h/?p=***");
        check("nothing to hide", "nothing to hide");
    }

    #[test]
    fn a_secret_is_masked_in_base64_wherever_it_stands() {
        // `printf 'user:pa"ss word/1' | base64` and the same with one and two bytes more in front.
        for encoded in
            ["dXNlcjpwYSJzcyB3b3JkLzE=", "eHVzZXI6cGEic3Mgd29yZC8x", "eHh1c2VyOnBhInNzIHdvcmQvMQ=="]
        {
            let mut mask = Mask::default();
            mask.add("pa\"ss word/1");
            let masked = mask.text(encoded);
            assert!(masked.contains(MASKED), "{encoded} came out as {masked}");
            assert!(masked.len() < encoded.len() - 8, "{encoded} came out as {masked}");
        }
    }

    #[test]
    fn values_are_masked_all_the_way_down() {
        let mut mask = Mask::default();
        mask.add("canary");
        let value = Value::from([("canary", Value::List(vec![Value::from("a canary sings")]))]);
        assert_eq!(mask.value(value).canonical(), r#"{"***":["a *** sings"]}"#);
    }
}
