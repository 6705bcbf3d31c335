//! What a plain YAML scalar is: the rules of YAML 1.2, made narrower.
//!
//! `true` and `false` are the only booleans; `null`, `~` and nothing are none; a number has no leading
//! zero, no underscore and no plus, and is decimal. Everything else is text. Quoted text never comes here.

use holdfast_kernel::value::Value;

/// The value of a plain scalar.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::None,
        "true" => return Value::Boolean(true),
        "false" => return Value::Boolean(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::from(text))
}

/// The number a text is, if it is one that can be kept exactly or as a finite fraction.
fn number(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits(unsigned)?;
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    if rest.is_empty() {
        let number: i128 = text.parse().ok()?;
        let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
        return fits.then_some(Value::Integer(number));
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => digits(fraction)?.1,
        None => rest,
    };
    let complete = match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            digits(exponent)?.1.is_empty()
        }
        None => rest.is_empty(),
    };
    if !complete {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Value::Number(number))
}

/// The digits a text starts with, at least one, and the rest.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: impl Into<Value>) {
        assert_eq!(resolve(text), value.into(), "{text}");
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        check("true", true);
        check("false", false);
        for text in ["yes", "no", "on", "off", "True", "TRUE", "y", "n", "Null", "NULL"] {
            check(text, text);
        }
    }

    #[test]
    fn only_plain_decimals_are_numbers() {
        check("0", 0);
        check("18446744073709551615", u64::MAX);
        assert_eq!(resolve("-7"), Value::Integer(-7));
        assert_eq!(resolve("1.50"), Value::Number(1.5));
        assert_eq!(resolve("-2e3"), Value::Number(-2000.0));
        for text in [
            "010",
            "00",
            "1_000",
            "+1",
            "0x1F",
            "0o17",
            "1e999",
            ".5",
            "5.",
            "1.2.3",
            "-",
            "1e",
            ".inf",
            ".nan",
            "18446744073709551616",
            "2026-11-24",
            "12:30",
            "٣",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn nothing_and_null_are_none() {
        for text in ["", "~", "null"] {
            check(text, Value::None);
        }
    }
}
