//! What differs between a file that is there and the one that is wanted, for people to read.
//!
//! Contents are compared line by line where both are short texts. The bytes of the live file are those that its
//! digest was made of: what is shown is what a restore will find, or it will not touch the file.

use std::fmt::Write as _;

use holdfast_contract::entry::{EntryKind, Metadata, shown};
use holdfast_contract::provider::{Kept, KeptEntry};
use holdfast_contract::time::written;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Instant;
use similar::TextDiff;

use crate::live::Looked;

/// The longest content that is compared line by line.
pub(crate) const SHORT: u64 = 64 * 1024;

/// The most bytes of what is shown.
const LONGEST: usize = 16 * 1024;

/// More lines are not compared: the time for it grows with the square.
const MOST_LINES: usize = 2_000;

/// How many lines stand around a difference.
const AROUND: usize = 3;

/// The differences; empty if there is nothing to say.
///
/// # Errors
/// The set cannot be read.
pub(crate) fn diff(kept: &dyn Kept, wanted: &KeptEntry, found: &Looked) -> Result<String, Failure> {
    let mut text = String::new();
    about(&mut text, found, wanted);
    if wanted.kind.name() == found.kind.name() {
        content(&mut text, kept, wanted, found)?;
    }
    if text.len() > LONGEST {
        let mut end = LONGEST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n(the rest is not shown)\n");
    }
    Ok(text)
}

/// What is known of it beside its content.
fn about(text: &mut String, found: &Looked, wanted: &KeptEntry) {
    let mut line = |what: &str, is: String, should: String| {
        if is != should {
            // Writing to a text does not fail.
            writeln!(text, "{what}: {is} -> {should}").unwrap_or_default();
        }
    };
    let both = (&found.metadata, &wanted.metadata);
    let of = |read: fn(&Metadata) -> String| (read(both.0), read(both.1));
    if !matches!(wanted.kind, EntryKind::Symlink { .. }) {
        let (is, should) = of(|metadata| format!("{:04o}", metadata.mode & 0o7777));
        line("permissions", is, should);
    }
    let (is, should) = of(|metadata| format!("{}:{}", metadata.user, metadata.group));
    line("owner", is, should);
    if wanted.kind != EntryKind::Folder {
        let (is, should) = of(|metadata| {
            let modified = metadata.modified;
            let seconds = Instant(modified.seconds.saturating_mul(1_000_000));
            format!("{} +{}ns", written(seconds), modified.nanoseconds)
        });
        line("last change", is, should);
    }
    let (is, should) = of(|metadata| {
        let names = metadata.attributes.keys().map(|name| shown(name));
        names.collect::<Vec<_>>().join(", ")
    });
    if is == should && found.metadata.attributes != wanted.metadata.attributes {
        line("values of attributes", "some".to_owned(), "others".to_owned());
    }
    line("attributes", is, should);
    if let (EntryKind::Symlink { target: is }, EntryKind::Symlink { target: should }) =
        (&found.kind, &wanted.kind)
    {
        line("leads to", shown(is), shown(should));
    }
}

fn content(
    text: &mut String,
    kept: &dyn Kept,
    wanted: &KeptEntry,
    found: &Looked,
) -> Result<(), Failure> {
    let EntryKind::File { size } = wanted.kind else { return Ok(()) };
    let Some(is) = found.content.as_deref().filter(|_| size <= SHORT) else { return Ok(()) };
    let should = read(kept, wanted)?;
    if is == should.as_slice() {
        return Ok(());
    }
    let (Some(is), Some(should)) = (text_of(is), text_of(&should)) else {
        text.push_str("the content differs, and is no text\n");
        return Ok(());
    };
    if is.lines().count().max(should.lines().count()) > MOST_LINES {
        text.push_str("the content differs, and has too many lines to be shown\n");
        return Ok(());
    }
    let lines = TextDiff::from_lines(is, should);
    let mut unified = lines.unified_diff();
    let unified = unified.context_radius(AROUND).header("there", "wanted");
    write!(text, "{unified}").unwrap_or_default();
    Ok(())
}

fn read(kept: &dyn Kept, wanted: &KeptEntry) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    kept.read(&wanted.path, &mut |bytes: &[u8]| {
        content.extend_from_slice(bytes);
        if content.len() as u64 > SHORT {
            let message = "a file of the set is longer than the set says";
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        Ok(())
    })?;
    Ok(content)
}

/// Text that a terminal can show.
fn text_of(content: &[u8]) -> Option<&str> {
    let is_text = !content.contains(&0);
    std::str::from_utf8(content).ok().filter(|_| is_text)
}
