//! Words as a shell takes them, for commands that people copy.

use std::borrow::Cow;

/// What a word is made of that needs no quotes, besides letters and digits.
const PLAIN: &str = "_-./:@%+=,";

/// A text as one word of a command.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || PLAIN.contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_has_it_stays_one_word() {
        let check = |text: &str, expect: &str| assert_eq!(word(text), expect);
        check("letters/a.txt", "letters/a.txt");
        check("", "''");
        check("two words", "'two words'");
        check("$(rm -rf ~); #", "'$(rm -rf ~); #'");
        check("it's", r"'it'\''s'");
    }
}
