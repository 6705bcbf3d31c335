//! Writes a file with holes wherever a block of zeros stands on a block's border.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The block: what file systems keep as one piece.
const BLOCK: usize = 4096;

/// A new file that is written from its start to its end.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    /// Where `rest` belongs; a multiple of the block.
    at: u64,
    /// The beginning of a block that is not complete.
    rest: Vec<u8>,
}

impl SparseFile {
    /// Writes into this file, which is empty.
    pub const fn new(file: File) -> Self {
        Self { file, at: 0, rest: Vec::new() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// They could not be written.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.rest.is_empty() {
            let wanted = BLOCK - self.rest.len();
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() < BLOCK {
                return Ok(());
            }
            let block = std::mem::take(&mut self.rest);
            self.write_blocks(&block)?;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % BLOCK);
        self.write_blocks(whole)?;
        self.rest.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the end, and gives the file.
    ///
    /// # Errors
    /// It could not be written.
    pub fn end(mut self) -> io::Result<File> {
        let rest = std::mem::take(&mut self.rest);
        if rest.iter().any(|byte| *byte != 0) {
            self.file.write_all_at(&rest, self.at)?;
        }
        self.file.set_len(self.at + rest.len() as u64)?;
        Ok(self.file)
    }

    /// Writes whole blocks: those with content in runs, those of zeros not at all.
    fn write_blocks(&mut self, bytes: &[u8]) -> io::Result<()> {
        let same = |a: &[u8], b: &[u8]| is_zero(a) == is_zero(b);
        let blocks: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
        let mut start = 0;
        for run in blocks.chunk_by(|a, b| same(a, b)) {
            let length = run.len() * BLOCK;
            let content = bytes.get(start..start + length).unwrap_or_default();
            if !run.first().is_some_and(|block| is_zero(block)) {
                self.file.write_all_at(content, self.at)?;
            }
            self.at += length as u64;
            start += length;
        }
        Ok(())
    }
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn check(parts: &[(u8, usize)], step: usize, stored_blocks: u64) {
        let content: Vec<u8> = parts.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("f");
        let mut file = SparseFile::new(File::create(&path).unwrap());
        for bytes in content.chunks(step) {
            file.write(bytes).unwrap();
        }
        let file = file.end().unwrap();
        file.sync_all().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content, "{parts:?} in {step}");
        let stored = file.metadata().unwrap().blocks() * 512;
        assert!(stored <= stored_blocks * 4096, "{stored} bytes for {parts:?}");
    }

    #[test]
    fn blocks_of_zeros_become_holes_and_everything_else_is_kept() {
        for step in [1000, 4096, 5000, 1 << 20] {
            check(&[], step, 0);
            check(&[(1, 5)], step, 1);
            check(&[(0, 5)], step, 0);
            check(&[(0, 1 << 20), (1, 1), (0, 1 << 20)], step, 1);
            check(&[(1, 4096), (0, 8192), (2, 4097), (0, 4095)], step, 3);
        }
    }
}
