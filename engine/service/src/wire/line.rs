//! The lines that go over the socket: a word, a space, and JSON without a line break.

use thiserror::Error;

use crate::wire::news::Told;

/// The most bytes of one line.
pub const LONGEST: u64 = 64 * 1024 * 1024;

/// A line that the owner writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// The answer, as JSON. It is the last line.
    Answer(String),
    /// There is none, and why. It is the last line.
    NoAnswer(String),
    /// Something happened; more follows.
    News(Told),
}

/// A line that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the owner of the state answered something that is no answer")]
pub struct BadLine;

impl Line {
    /// As it is written, with its line break.
    ///
    /// # Errors
    /// It cannot be written as JSON: a bug.
    pub fn written(&self) -> Result<String, serde_json::Error> {
        Ok(match self {
            Self::Answer(json) => format!("answer {json}\n"),
            Self::NoAnswer(reason) => format!("no_answer {}\n", serde_json::to_string(reason)?),
            Self::News(told) => format!("news {}\n", serde_json::to_string(told)?),
        })
    }

    /// Reads one back.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self, BadLine> {
        let (word, json) = text.trim_end_matches('\n').split_once(' ').ok_or(BadLine)?;
        match word {
            "answer" => Ok(Self::Answer(json.to_owned())),
            "no_answer" => serde_json::from_str(json).map(Self::NoAnswer).map_err(|_none| BadLine),
            "news" => serde_json::from_str(json).map(Self::News).map_err(|_none| BadLine),
            _ => Err(BadLine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_as_they_were_written() {
        for line in [
            Line::Answer("[1,2]".to_owned()),
            Line::NoAnswer("a\nb \"c\"".to_owned()),
            Line::News(Told::DiskFull),
        ] {
            let written = line.written().unwrap();
            assert_eq!(written.matches('\n').count(), 1, "{written}");
            assert_eq!(Line::read(&written), Ok(line));
        }
        for text in ["", "answer", "what {}", "news {}", "no_answer x"] {
            assert_eq!(Line::read(text), Err(BadLine), "{text}");
        }
    }
}
