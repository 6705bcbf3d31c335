//! Exporting the objects of a set as one JSON document, for tools that read one file.
//!
//! Only objects: a file tree has no form in JSON that anything would read. A body that is no JSON stands
//! as text. One body is in memory at a time.

use std::io::Write;

use holdfast_contract::entry::{EntryKind, LeftOut, shown};
use serde_json::Value;

use crate::export::Exported;
use crate::gate::Permit;
use crate::read::OpenSet;
use crate::refused::Refused;
use crate::unit::ITEMS;

impl OpenSet {
    /// Writes `{"manifest": …, "items": [{"path": …, "body": …}, …]}`.
    ///
    /// # Errors
    /// The set has no objects, `out` cannot be written, or the permit was withdrawn.
    pub fn export_json(&self, out: &mut dyn Write, permit: &Permit) -> Result<Exported, Refused> {
        let failed = || Refused::doing("writing the bundle");
        let entries = match self.walk(ITEMS.as_bytes()) {
            Err(Refused::NoPath { .. }) => {
                let id = &self.set().id;
                return Err(Refused::Invalid(format!("{id} has no objects, only files")));
            }
            entries => entries?,
        };
        let manifest = json(self.manifest())?;
        write!(out, "{{\"manifest\":{manifest},\"items\":[").map_err(failed())?;
        let mut exported = Exported::default();
        let mut comma = "";
        for entry in entries {
            if !permit() {
                return Err(Refused::Cancelled);
            }
            let entry = entry?;
            if !matches!(entry.kind, EntryKind::File { .. }) {
                continue;
            }
            match self.body(&entry.path) {
                Ok(body) => {
                    let path = json(&shown(&entry.path))?;
                    let body = json(&body)?;
                    write!(out, "{comma}\n{{\"path\":{path},\"body\":{body}}}").map_err(failed())?;
                    comma = ",";
                    exported.counts.add(&entry.kind);
                }
                Err(Refused::Damaged { reason, .. }) => {
                    exported.left_out.push(LeftOut { path: entry.path, reason });
                }
                Err(other) => return Err(other),
            }
        }
        out.write_all(b"\n]}\n").and_then(|()| out.flush()).map_err(failed())?;
        Ok(exported)
    }

    fn body(&self, path: &[u8]) -> Result<Value, Refused> {
        let mut bytes = Vec::new();
        self.read(path, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        if let Ok(value) = serde_json::from_slice(&bytes) {
            return Ok(value);
        }
        String::from_utf8(bytes).map(Value::String).map_err(|_error| Refused::Damaged {
            what: shown(path),
            reason: "it is neither JSON nor text".to_owned(),
        })
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Refused> {
    serde_json::to_string(value).map_err(|error| Refused::Below(format!("writing JSON: {error}")))
}
