//! The frames of payload files one after the other, for who wants all of what runs keep outside of their rows.

use std::io::Read as _;

use holdfast_kernel::id::RunId;
use serde_json::{Value, json};

use crate::export::{Exported, bytes, digits};
use crate::frame::{COMPRESSED, HEADER};
use crate::live::RunRow;
use crate::payloads::{PayloadError, Payloads};
use crate::query::{ReadError, Reader};
use crate::store::{Keys, Order, Table, run_of};

/// The name under which payloads are exported.
pub(crate) const TABLE: &str = "payloads";

/// How many bytes of content are enough for one part of an export.
const PART: usize = 1 << 17;

/// How many runs are looked at for one part.
const RUNS: usize = 200;

/// An offset behind every frame.
const END: u64 = u64::MAX;

/// The most that the content of one frame may come to.
const MOST: u64 = 1 << 30;

/// A frame as it stands in the file of a run.
struct Frame {
    content: Vec<u8>,
    /// Where the next one starts.
    next: u64,
}

impl Payloads {
    /// The frame at an offset; none at the end, or where one is being written.
    fn frame_at(&self, run: RunId, offset: u64) -> Result<Option<Frame>, PayloadError> {
        let length = self.length_of(run)?.unwrap_or(0);
        if offset.saturating_add(HEADER as u64) > length {
            return Ok(None);
        }
        let Some((form, stored)) = self.whole(run, offset, length)? else { return Ok(None) };
        let next = offset + (HEADER + stored.len()) as u64;
        let damaged = |what: &str| self.damaged(run, offset, what);
        let content = if form == COMPRESSED {
            let mut content = Vec::new();
            zstd::stream::read::Decoder::new(stored.as_slice())
                .and_then(|decoder| decoder.take(MOST).read_to_end(&mut content))
                .map_err(|error| damaged(&format!("its content cannot be unpacked: {error}")))?;
            content
        } else {
            stored
        };
        Ok(Some(Frame { content, next }))
    }
}

impl Reader {
    /// The payloads that come after this key: its run and its offset. What is damaged is told in a row of its own, and
    /// the rest of that run with it.
    pub(crate) fn export_payloads(&self, after: Option<&str>) -> Result<Exported, ReadError> {
        let mut at = match after.and_then(bytes).as_deref().and_then(place) {
            Some((run, offset)) => match self.payloads.frame_at(run, offset) {
                Ok(Some(frame)) => Some((run, frame.next)),
                // It was told, or the run was forgotten meanwhile.
                Ok(None) | Err(_) => Some((run, END)),
            },
            None => self.run_after(None)?.map(|run| (run, 0)),
        };
        let (mut rows, mut size, mut runs, mut done) = (Vec::new(), 0, 0, None);
        while let Some((run, offset)) = at {
            if size >= PART || runs >= RUNS {
                let next = done.filter(|_| rows.is_empty()).map(|run| key(run, END));
                return Ok(Exported { rows, more: true, next });
            }
            match self.named_frame(run, offset)? {
                Ok(Some(frame)) => {
                    size += frame.content.len();
                    rows.push((key(run, offset), row(run, offset, &frame.content)));
                    at = Some((run, frame.next));
                }
                Ok(None) => {
                    (runs, done) = (runs + 1, Some(run));
                    at = self.run_after(Some(run))?.map(|run| (run, 0));
                }
                Err(error) => {
                    let told = json!({ "run": run.to_string(), "offset": offset, "error": error.to_string() });
                    rows.push((key(run, offset), told));
                    at = Some((run, END));
                }
            }
        }
        Ok(Exported { rows, more: false, next: None })
    }

    /// The frame at an offset, if a record names it or a later one: what stands behind the last of them is nothing.
    fn named_frame(
        &self,
        run: RunId,
        offset: u64,
    ) -> Result<Result<Option<Frame>, PayloadError>, ReadError> {
        let row: Option<RunRow> =
            self.look(|core, source| Ok(core.view(source).get(Table::Runs, run.bytes())?))?;
        let last = row.and_then(|row| row.last_offset);
        if last.is_none_or(|last| offset > last) {
            return Ok(Ok(None));
        }
        Ok(self.payloads.frame_at(run, offset))
    }

    fn run_after(&self, run: Option<RunId>) -> Result<Option<RunId>, ReadError> {
        let mut keys = Keys::starting_with(&[]);
        if let Some(run) = run {
            keys = keys.after(run.bytes());
        }
        self.look(|core, source| {
            let rows = core.view(source).scan(Table::Runs, &keys, Order::Ascending, 1)?;
            Ok(rows.first().and_then(|(key, _)| run_of(key)))
        })
    }
}

fn key(run: RunId, offset: u64) -> String {
    digits(&[run.bytes().as_slice(), &offset.to_be_bytes()].concat())
}

fn place(key: &[u8]) -> Option<(RunId, u64)> {
    let (run, offset) = key.split_at_checked(16)?;
    let run = RunId::from_bytes(run.try_into().ok()?);
    Some((run, u64::from_be_bytes(offset.try_into().ok()?)))
}

fn row(run: RunId, offset: u64, content: &[u8]) -> Value {
    let content = serde_json::from_slice(content)
        .unwrap_or_else(|_no_json| Value::from(String::from_utf8_lossy(content)));
    json!({ "run": run.to_string(), "offset": offset, "content": content })
}
