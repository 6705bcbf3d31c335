//! Asks the owner of a state directory. It blocks.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::answer::NoAnswer;
use crate::socket::address;
use crate::wire::ask::{Ask, Message, VERSION};
use crate::wire::line::{BadLine, LONGEST, Line};
use crate::wire::news::Told;

/// Why the owner gave no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("the owner of the state does not answer: {0}")]
    Nobody(io::Error),
    /// The connection broke.
    #[error("the connection to the owner of the state broke: {0}")]
    Broken(#[from] io::Error),
    /// It has the state and says nothing.
    #[error(
        "the owner of the state has not answered for 30 seconds; is it stopped, or its terminal?"
    )]
    Silent,
    /// It said that there is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// What it said is no answer.
    #[error(transparent)]
    Bad(#[from] BadLine),
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a state directory's owner.
#[derive(Clone, Debug)]
pub struct Client {
    state: std::path::PathBuf,
    by: String,
}

impl Client {
    /// A client of whoever owns this state directory, asking in somebody's name.
    pub fn new(state: &Path, by: String) -> Self {
        Self { state: state.to_owned(), by }
    }

    /// Whether somebody listens.
    pub fn is_answered(&self) -> bool {
        self.connect().is_ok()
    }

    /// The answer to a question, of the type that the question names.
    ///
    /// # Errors
    /// There is none.
    pub fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ClientError> {
        let stream = self.stream(ask)?;
        // An owner that was stopped, or whose terminal takes nothing, keeps whoever asks waiting for ever.
        stream.lines.get_ref().set_read_timeout(Some(PATIENCE))?;
        let answer = stream.answer().map_err(|error| match error {
            ClientError::Broken(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ClientError::Silent
            }
            error => error,
        })?;
        serde_json::from_str(&answer).map_err(|_unfit| BadLine.into())
    }

    /// What happens, as it happens, and then the answer.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn stream(&self, ask: Ask) -> Result<Stream, ClientError> {
        let mut socket = self.connect().map_err(ClientError::Nobody)?;
        let message = Message { api: VERSION, by: self.by.clone(), ask };
        let mut text = serde_json::to_string(&message).map_err(|_unfit| BadLine)?;
        text.push('\n');
        socket.write_all(text.as_bytes())?;
        Ok(Stream { lines: BufReader::new(socket) })
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let folder = std::fs::File::open(&self.state)?;
        UnixStream::connect(address(&folder))
    }
}

/// The lines of one answer.
#[derive(Debug)]
pub struct Stream {
    lines: BufReader<UnixStream>,
}

impl Stream {
    /// The next thing that happened; none after the answer.
    ///
    /// # Errors
    /// The connection broke, or the owner says that there is no answer.
    pub fn next_told(&mut self) -> Result<Option<Told>, ClientError> {
        match self.line()? {
            Line::News(told) => Ok(Some(told)),
            Line::Answer(_) => Ok(None),
            Line::NoAnswer(reason) => Err(NoAnswer(reason).into()),
        }
    }

    fn answer(mut self) -> Result<String, ClientError> {
        loop {
            match self.line()? {
                Line::News(_) => {}
                Line::Answer(json) => return Ok(json),
                Line::NoAnswer(reason) => return Err(NoAnswer(reason).into()),
            }
        }
    }

    fn line(&mut self) -> Result<Line, ClientError> {
        let mut text = String::new();
        self.lines.by_ref().take(LONGEST).read_line(&mut text)?;
        // It ended in the middle of a line.
        if !text.ends_with('\n') && (text.len() as u64) < LONGEST {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Line::read(&text)?)
    }
}
