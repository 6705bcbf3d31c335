//! A provider's source as a source of the library, with an account of every entry.
//!
//! Readers stop with the permit, deliver at most the announced size, and say how they ended. The entries
//! are handed on in the order in which they come, which must be that of a tree.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_contract::entry::{
    Entry, EntryKind, EntrySource, Found, LeftOut, OpenContent, ReadContent, Settled, TreePath,
};
use rustic_core::{
    ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult,
};

use crate::gate::Permit;
use crate::ledger::{Before, Inside, Ledger, Record, Standing};
use crate::node::to_node;
use crate::previous::Previous;

/// A source for the library.
pub(crate) struct Feed {
    /// Where its entries stand in the set: the first name of their path.
    pub(crate) area: &'static str,
    /// The provider's source.
    pub(crate) source: Arc<dyn EntrySource>,
    /// The account.
    pub(crate) ledger: Arc<Ledger>,
    /// The set before, if there is one.
    pub(crate) previous: Option<Previous>,
    /// Reading stops with it.
    pub(crate) permit: Permit,
}

impl ReadSource for Feed {
    type Open = Opening;
    type Iter = Box<dyn Iterator<Item = RusticResult<ReadSourceEntry<Opening>>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let ledger = Arc::clone(&self.ledger);
        let permit = Arc::clone(&self.permit);
        let area = self.area;
        let mut previous = self.previous.clone();
        let entries = self.source.entries();
        // Ending early is safe: the snapshot is held back, and the permit is asked before it is let go.
        let going = Arc::clone(&permit);
        Box::new(entries.take_while(move |_| going()).filter_map(move |found| {
            let entry = match found {
                Found::Entry(entry) => entry,
                Found::LeftOut(left_out) => {
                    ledger.leave_out(left_out);
                    return None;
                }
            };
            Some(Ok(admit(entry, area, &ledger, previous.as_mut(), &permit)))
        }))
    }
}

/// Announces an entry and makes it one of the library's.
fn admit(
    entry: Entry,
    area: &str,
    ledger: &Arc<Ledger>,
    previous: Option<&mut Previous>,
    permit: &Permit,
) -> ReadSourceEntry<Opening> {
    let place = place_in(area, &entry.path);
    let name = entry.path.rsplit(|byte| *byte == b'/').next();
    let name = name.filter(|name| !name.is_empty()).unwrap_or(area.as_bytes());
    let (node, unfit) = to_node(name, &entry.kind, &entry.metadata);
    for reason in unfit {
        ledger.leave_out(LeftOut { path: entry.path.clone(), reason });
    }
    let size = entry.kind.size();
    let is_file = matches!(entry.kind, EntryKind::File { .. });
    let standing = if is_file {
        let same = previous.is_some_and(|previous| previous.has_same(&place, &node));
        let before = if same { Before::Same } else { Before::Other };
        Standing::Announced { before }
    } else {
        Standing::Bare
    };
    let inside = if entry.kind == EntryKind::Folder { Inside::Others } else { Inside::Nothing };
    ledger.announce(&entry.path, inside, Record { size, standing });
    let open = is_file.then(|| Opening {
        content: entry.content,
        counted: Counting {
            path: entry.path,
            size,
            delivered: 0,
            ledger: Arc::clone(ledger),
            permit: Arc::clone(permit),
        },
    });
    ReadSourceEntry { path: PathBuf::from(OsString::from_vec(place)), node, open }
}

/// The path in the set of an entry of a source.
pub(crate) fn place_in(area: &str, path: &[u8]) -> TreePath {
    if path.is_empty() {
        return area.as_bytes().to_vec();
    }
    [area.as_bytes(), b"/", path].concat()
}

/// A file that was announced and not opened yet.
pub(crate) struct Opening {
    content: Option<Box<dyn OpenContent>>,
    counted: Counting,
}

impl ReadSourceOpen for Opening {
    type Reader = Counted;

    fn open(self) -> RusticResult<Counted> {
        let counted = self.counted;
        let opened = match self.content {
            Some(content) => content.open(),
            None => Err(io::Error::other("its source brought no content")),
        };
        match opened {
            Ok(content) => {
                counted.ledger.stand(&counted.path, Standing::Open);
                Ok(Counted { content, counting: counted })
            }
            Err(error) => {
                counted.unreadable(&error);
                Err(RusticError::with_source(ErrorKind::InputOutput, "opening an entry", error))
            }
        }
    }
}

struct Counting {
    path: TreePath,
    size: u64,
    delivered: u64,
    ledger: Arc<Ledger>,
    permit: Permit,
}

impl Counting {
    fn unreadable(&self, error: &io::Error) {
        let reason = error.to_string();
        self.ledger.stand(&self.path, Standing::Unreadable(reason));
    }

    /// How an entry stands of which no byte is missing, or no more bytes come.
    fn end(&self, settled: Settled) {
        let standing = if self.delivered == self.size {
            Standing::Delivered(settled)
        } else {
            Standing::Short
        };
        self.ledger.stand(&self.path, standing);
    }
}

/// An open file whose bytes are counted.
pub(crate) struct Counted {
    content: Box<dyn ReadContent>,
    counting: Counting,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.counting.permit)() {
            return Err(io::Error::other("it was cancelled"));
        }
        let left = self.counting.size - self.counting.delivered;
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let (into, _) = buffer.split_at_mut(wanted);
        let outcome = self.read_counted(into);
        // The library asks again after an interruption; anything else is the end of this entry.
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.counting.unreadable(error);
        }
        outcome
    }
}

impl Counted {
    fn read_counted(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = if into.is_empty() { 0 } else { self.content.read(into)? };
        self.counting.delivered += count as u64;
        let is_whole = self.counting.delivered == self.counting.size;
        if is_whole || count == 0 {
            self.counting.end(self.content.settle()?);
        }
        Ok(count)
    }
}
