//! What is told, and how its parts are put into words that every channel for people shares.
//!
//! Here nothing is escaped for a channel: texts are only kept from steering what shows them.

use holdfast_contract::records::Level;
use holdfast_contract::time::written;
use holdfast_kernel::id::{Digest, Instant};

use crate::text;

/// The most bytes of an id that is used as it is.
const LONGEST_NAME: usize = 100;

/// The most facts and the most entries of a text that has no limit of its own.
const MOST: usize = 1_000;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The notification's id, the same for every attempt to deliver it.
    pub id: String,
    /// When it happened.
    pub at: Instant,
    /// How much it matters.
    pub level: Level,
    /// One line, never empty.
    pub title: String,
    /// Plain text, several lines.
    pub text: String,
    /// Names and values: workflow, target, run, status, reason and the like.
    pub facts: Vec<(String, String)>,
    /// What to type to see more or to answer.
    pub command: Option<String>,
    /// Of a digest, what it is of; empty otherwise.
    pub entries: Vec<Entry>,
}

/// One notification of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// When it happened.
    pub at: Instant,
    /// How much it matters.
    pub level: Level,
    /// Its title.
    pub title: String,
}

impl Outgoing {
    /// The title as one line that is not empty.
    pub(crate) fn headline(&self) -> String {
        let title = text::line(&self.title);
        if title.is_empty() { "notification".to_owned() } else { title }
    }

    /// The text as lines.
    pub(crate) fn lines(&self) -> String {
        text::lines(&self.text)
    }

    /// The first facts, and after them how many there are more.
    pub(crate) fn shown_facts(&self, most: usize) -> Vec<(String, String)> {
        let facts = self.facts.iter().take(most);
        let mut shown: Vec<(String, String)> =
            facts.map(|(name, value)| (text::line(name), text::line(value))).collect();
        let left = self.facts.len() - shown.len();
        if left > 0 {
            shown.push(("…".to_owned(), format!("and {left} more")));
        }
        shown
    }

    /// The first entries, one line each, and after them how many there are more.
    pub(crate) fn shown_entries(&self, most: usize) -> Vec<String> {
        let line = |entry: &Entry| {
            let title = text::line(&entry.title);
            format!("{} {}: {title}", written(entry.at), entry.level.word())
        };
        let mut shown: Vec<String> = self.entries.iter().take(most).map(line).collect();
        let left = self.entries.len() - shown.len();
        if left > 0 {
            shown.push(format!("… and {left} more"));
        }
        shown
    }

    /// The command as one line.
    pub(crate) fn shown_command(&self) -> Option<String> {
        self.command.as_deref().map(text::line).filter(|command| !command.is_empty())
    }

    /// Everything but the title, for channels of plain text.
    pub(crate) fn plain(&self) -> String {
        let facts = self.shown_facts(MOST).into_iter();
        let facts: Vec<String> = facts.map(|(name, value)| format!("{name}: {value}")).collect();
        let command = self.shown_command();
        let command = command.map(|command| format!("To see more or to answer:\n  {command}"));
        let parts = [self.lines(), self.shown_entries(MOST).join("\n"), facts.join("\n")];
        let parts = parts.into_iter().chain(command).filter(|part| !part.is_empty());
        parts.collect::<Vec<String>>().join("\n\n")
    }

    /// How much it matters, when it happened and its id, in one line.
    pub(crate) fn footer(&self) -> String {
        format!("{} · {} · {}", self.level.word(), written(self.at), text::line(&self.id))
    }

    /// The id where only letters, digits, `-` and `_` may stand: itself, or the digest of one that has others.
    pub(crate) fn name(&self) -> String {
        let simple = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=LONGEST_NAME).contains(&self.id.len()) && self.id.bytes().all(simple) {
            self.id.clone()
        } else {
            Digest::of_bytes(self.id.as_bytes()).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        Outgoing {
            id: "note_1".to_owned(),
            at: Instant(0),
            level: Level::Info,
            title: "t".to_owned(),
            text: String::new(),
            facts: Vec::new(),
            command: None,
            entries: Vec::new(),
        }
    }

    #[test]
    fn an_id_with_anything_strange_in_it_is_told_by_its_digest() {
        let check = |id: &str, kept: bool| {
            let name = Outgoing { id: id.to_owned(), ..outgoing() }.name();
            assert_eq!(name == id, kept, "{name}");
            assert!(name.len() <= LONGEST_NAME, "{name}");
        };
        check("note_0123456789abcdef", true);
        check("", false);
        check("a>\r\nBcc: b", false);
        check(&"a".repeat(101), false);
    }

    #[test]
    fn a_title_of_nothing_but_space_is_still_a_title() {
        assert_eq!(Outgoing { title: " \n".to_owned(), ..outgoing() }.headline(), "notification");
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let facts = vec![("a".to_owned(), "b".to_owned()); 5];
        let shown = Outgoing { facts, ..outgoing() }.shown_facts(3);
        assert_eq!(shown.last(), Some(&("…".to_owned(), "and 2 more".to_owned())));
        let entry = Entry {
            id: "e".to_owned(),
            at: Instant(0),
            level: Level::Error,
            title: "broken\n".to_owned(),
        };
        let shown = Outgoing { entries: vec![entry; 3], ..outgoing() }.shown_entries(2);
        assert_eq!(shown[0], "1970-01-01T00:00:00Z error: broken");
        assert_eq!(shown[2], "… and 1 more");
    }
}
