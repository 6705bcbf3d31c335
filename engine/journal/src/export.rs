//! The tables of the store as JSON, row by row: for people who want all of it, and for tools of their own.
//!
//! Keys are given in hexadecimal digits. What is longer than a KiB stands in the files of runs: a row refers to it by
//! its offset, and it follows as a row of `payloads`. Bodies are sealed, and are in no table. Indexes say nothing that
//! the rows do not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frames;
use crate::query::{ReadError, Reader};
use crate::store::{Keys, Order, Table};

/// How many rows are read at once: a state may have some hundred KiB.
const PAGE: usize = 50;

/// The tables that are exported, in their order.
const TABLES: [Table; 15] = [
    Table::Runs,
    Table::Events,
    Table::States,
    Table::Items,
    Table::Definitions,
    Table::Notifications,
    Table::Audit,
    Table::Plans,
    Table::Approvals,
    Table::Verifications,
    Table::Attestations,
    Table::Schedules,
    Table::Ticks,
    Table::Outbox,
    Table::Channels,
];

/// Some rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// Each with its key.
    pub rows: Vec<(String, Value)>,
    /// Whether there are more after them.
    pub more: bool,
    /// After which key, if it is not that of the last row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The names of the tables that are exported.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.map(Table::name).into_iter().chain([frames::TABLE])
}

impl Reader {
    /// The next rows of a table after a key; none of a table that is not exported.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn export(&self, table: &str, after: Option<&str>) -> Result<Exported, ReadError> {
        if table == frames::TABLE {
            return self.export_payloads(after);
        }
        let Some(table) = TABLES.into_iter().find(|of| of.name() == table) else {
            return Ok(Exported::default());
        };
        let mut keys = Keys::starting_with(&[]);
        if let Some(after) = after.and_then(bytes) {
            keys = keys.after(&after);
        }
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(table, &keys, Order::Ascending, PAGE)?;
            let more = rows.len() == PAGE;
            let rows = rows.iter().map(|(key, row)| {
                let row: Value = view.decode(table, row)?;
                Ok((digits(key), row))
            });
            let rows = rows.collect::<Result<_, crate::fault::FileFault>>()?;
            Ok(Exported { rows, more, next: None })
        })
    }
}

pub(crate) fn digits(key: &[u8]) -> String {
    key.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

pub(crate) fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        digits.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_from_their_digits() {
        assert_eq!(digits(&[0, 171, 255]), "00abff");
        assert_eq!(bytes("00abff"), Some(vec![0, 171, 255]));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("xy"), None);
    }
}
