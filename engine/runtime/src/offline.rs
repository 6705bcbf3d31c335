//! Acting on a state that nobody drives: a submit, a retry or a resolve is stored, and nothing starts.

use std::sync::Arc;

use holdfast_drive::grants::Limits;
use holdfast_drive::input::Token;
use holdfast_drive::output::{Output, Reply};
use holdfast_drive::turn::{Drive, Intake};
use holdfast_journal::commit::Writer;
use holdfast_journal::filer::Filer;
use holdfast_journal::payloads::Payloads;
use holdfast_journal::query::Reader;
use holdfast_journal::resume::Opened;
use holdfast_kernel::id::RunId;
use holdfast_kernel::queue::Obstacle;

use crate::ask::input;
use crate::clock;
use crate::executor::{Compile, compiled, standstill};
use crate::wake::Want;

/// An open state that is acted on and not driven.
pub struct Offline {
    /// Reads it.
    pub reader: Reader,
    /// Reads and writes the files of bodies.
    pub bodies: Arc<Payloads>,
    drive: Drive,
    writer: Writer,
    filer: Filer,
    compile: Compile,
}

/// Why nothing could be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStored(String);

impl Offline {
    /// Takes an open state.
    pub fn new(opened: Opened, compile: Compile) -> Self {
        let Opened { writer, filer, reader, payloads, bodies, recovered } = opened;
        let mut drive =
            Drive::new(Limits::default(), payloads, recovered.next_sequence, recovered.highest);
        drive.set_intake(Intake::Storing, clock::now());
        for active in recovered.active {
            let program = compiled(&compile, &active.definition);
            drive.know(active, program);
        }
        drive.know_schedules(&recovered.schedules, standstill(recovered.pause.as_ref()));
        Self { reader, bodies, drive, writer, filer, compile }
    }

    /// Does what somebody wants, durably.
    ///
    /// # Errors
    /// The journal could not be written; nothing was stored.
    pub fn act(&mut self, want: Want) -> Result<Reply, NotStored> {
        let token = Token(0);
        let input = input(want, token, &self.drive, (&self.reader, &self.compile));
        let input = match input {
            Ok(input) => input,
            Err(refusal) => return Ok(Reply::Refused(refusal)),
        };
        self.drive.accept(input, clock::now());
        let outputs = self.commit()?;
        let reply = outputs.into_iter().find_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply),
            Output::Command { .. }
            | Output::Evaluate { .. }
            | Output::Ended { .. }
            | Output::Stale { .. }
            | Output::Quarantined { .. } => None,
        });
        reply.ok_or_else(|| NotStored("a bug in holdfast: the request was not answered".to_owned()))
    }

    /// What is in the way of the runs that wait for their slots.
    pub fn obstacles(&self) -> Vec<(RunId, Obstacle)> {
        self.drive.obstacles()
    }

    fn commit(&mut self) -> Result<Vec<Output>, NotStored> {
        let told = |error: &dyn std::error::Error| NotStored(error.to_string());
        let Some(batch) = self.drive.take_batch() else { return Ok(self.drive.take_ready()) };
        let sequence = batch.sequence;
        self.writer.commit(batch).map_err(|error| told(&error))?;
        let outputs = self.drive.committed(sequence);
        // It is stored: what is not filed now is filed when the state is opened again.
        self.filer.file(usize::MAX).map(drop).unwrap_or_default();
        Ok(outputs)
    }
}
