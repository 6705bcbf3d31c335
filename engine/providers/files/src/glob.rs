//! Which paths of a tree belong to the target: include and exclude patterns.
//!
//! Patterns are matched with the path from the root. `*` stops at a `/`, `**` does not. What is in a
//! matched folder is matched with it; exclude wins.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` is not valid: {reason}")]
pub struct BadPattern {
    /// As it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The patterns of a target.
#[derive(Clone, Debug)]
pub struct Patterns {
    /// None: everything.
    include: Option<GlobSet>,
    exclude: GlobSet,
}

/// What the patterns say about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It belongs to the target, and what is in it does unless excluded.
    Included,
    /// It does not, but something in it may.
    Undecided,
    /// Neither it nor anything in it does.
    Excluded,
}

impl Patterns {
    /// Reads patterns; no include pattern is the same as one that matches everything.
    ///
    /// # Errors
    /// A pattern is not valid.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, BadPattern> {
        let include = match include {
            [] => None,
            patterns => Some(set(patterns)?),
        };
        let exclude = set(exclude)?;
        Ok(Self { include, exclude })
    }

    /// What the patterns say about a path whose folder is matched as `parent`.
    pub fn decide(&self, path: &[u8], parent: Match) -> Match {
        let path = Path::new(OsStr::from_bytes(path));
        if parent == Match::Excluded || self.exclude.is_match(path) {
            return Match::Excluded;
        }
        match &self.include {
            Some(include) if parent == Match::Undecided && !include.is_match(path) => {
                Match::Undecided
            }
            Some(_) | None => Match::Included,
        }
    }

    /// What they say about the root itself.
    pub const fn root(&self) -> Match {
        match self.include {
            Some(_) => Match::Undecided,
            None => Match::Included,
        }
    }
}

pub(crate) fn set(patterns: &[String]) -> Result<GlobSet, BadPattern> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(glob(pattern)?);
    }
    builder.build().map_err(|error| BadPattern {
        pattern: patterns.join("`, `"),
        reason: error.kind().to_string(),
    })
}

fn glob(pattern: &str) -> Result<Glob, BadPattern> {
    // `build/` and `/build` are what people write who know other tools.
    let trimmed = pattern.trim_end_matches('/').trim_start_matches('/');
    let bad = |reason: String| BadPattern { pattern: pattern.to_owned(), reason };
    if trimmed.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    GlobBuilder::new(trimmed)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| bad(error.kind().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Patterns::new(&texts(include), &texts(exclude)).unwrap()
    }

    fn check(include: &[&str], exclude: &[&str], path: &[u8], expect: Match) {
        let patterns = patterns(include, exclude);
        let mut found = patterns.root();
        let ends = (1..path.len()).filter(|at| path[*at] == b'/').chain([path.len()]);
        for end in ends {
            found = patterns.decide(&path[..end], found);
        }
        assert_eq!(found, expect, "{include:?} {exclude:?} {path:?}");
    }

    #[test]
    fn exclude_wins_and_a_folder_takes_what_is_in_it_along() {
        use Match::{Excluded, Included, Undecided};
        check(&[], &[], b"a/b", Included);
        check(&[], &["**/*.tmp"], b"a.tmp", Excluded);
        check(&[], &["**/*.tmp"], b"x/y/a.tmp", Excluded);
        check(&[], &["*.tmp"], b"x/a.tmp", Included);
        check(&[], &["/build/"], b"build/deep/file", Excluded);
        check(&["docs"], &[], b"docs/a/b", Included);
        check(&["docs"], &[], b"other/a", Undecided);
        check(&["**/*.txt"], &[], b"a", Undecided);
        check(&["**/*.txt"], &[], b"a/b.txt", Included);
        check(&["docs"], &["docs/private"], b"docs/private/a", Excluded);
        check(&[], &["**/\u{fffd}*"], b"a/\xff", Included);
        check(&["a*"], &[], b"a\xff", Included);
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        for pattern in ["[a", "{a", "", "/"] {
            let bad = Patterns::new(&[pattern.to_owned()], &[]).unwrap_err();
            assert_eq!(bad.pattern, pattern);
        }
    }
}
