//! Text from elsewhere, made fit to be shown, and cut where a channel has a limit.
//!
//! It knows no channel: what a character weighs in a channel's own form, the channel says.

/// What ends a text that was cut.
const CUT: char = '…';

/// The most characters of what a receiver says.
const EXCERPT: usize = 200;

/// Whether a character steers a terminal, breaks a line where none is expected or turns the direction of text.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn shown(character: char) -> char {
    if steers(character) { char::REPLACEMENT_CHARACTER } else { character }
}

/// The text as one line, its words apart by one space each.
pub(crate) fn line(text: &str) -> String {
    let spaced = |character: char| {
        if character.is_whitespace() { ' ' } else { shown(character) }
    };
    let text: String = text.chars().map(spaced).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// The text as lines, without empty ones at its start and end.
pub(crate) fn lines(text: &str) -> String {
    let plain = |line: &str| -> String {
        let spaced = |character: char| if character == '\t' { ' ' } else { shown(character) };
        let line: String = line.chars().map(spaced).collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = text.lines().map(plain).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// As much of a text as `most` holds if each character takes what `size` says.
pub(crate) fn fit(text: &str, most: usize, size: impl Fn(char) -> usize) -> String {
    if text.chars().map(&size).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(size(CUT));
    let fits = |character: &char| {
        let left = room.checked_sub(size(*character));
        room = left.unwrap_or_default();
        left.is_some()
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push(CUT);
    cut
}

/// At most so many characters of a text.
pub(crate) fn characters(text: &str, most: usize) -> String {
    fit(text, most, |_| 1)
}

/// How many bytes a character takes in a string of JSON.
pub(crate) fn json_size(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' => 2,
        control if control < ' ' => 6,
        other => other.len_utf8(),
    }
}

/// The beginning of what a receiver said, in one line.
pub(crate) fn excerpt(text: &str) -> String {
    characters(&line(text), EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_steers_nothing() {
        let check = |text: &str, expect: &str| assert_eq!(line(text), expect);
        check("", "");
        check(" a \r\n b\tc ", "a b c");
        check("a\u{1b}[31mb\0", "a\u{fffd}[31mb\u{fffd}");
        check("a\u{2028}b\u{85}c", "a b c");
        check("invoice\u{202e}fdp.exe", "invoice\u{fffd}fdp.exe");
        check("größe 漢字 👩‍💻", "größe 漢字 👩‍💻");
    }

    #[test]
    fn lines_stay_lines_and_steer_nothing() {
        let check = |text: &str, expect: &str| assert_eq!(lines(text), expect);
        check("", "");
        check("\n\na \r\n\n\tb\n", "a\n\n b");
        check("a\rb\u{9b}2J", "a\u{fffd}b\u{fffd}2J");
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        let check = |text: &str, most: usize, expect: &str| {
            assert_eq!(fit(text, most, char::len_utf8), expect);
        };
        check("abc", 3, "abc");
        check("abcdef", 5, "ab…");
        check("ééé", 6, "ééé");
        check("éééé", 7, "éé…");
        check("éééé", 6, "é…");
        assert_eq!(characters("éééé", 3), "éé…");
    }

    #[test]
    fn the_size_in_json_is_what_json_takes() {
        for text in ["a", "\"", "\\", "\n", "\u{1}", "é", "漢", "\u{7f}"] {
            let size: usize = text.chars().map(json_size).sum();
            assert_eq!(size, serde_json::json!(text).to_string().len() - 2, "{text:?}");
        }
    }
}
