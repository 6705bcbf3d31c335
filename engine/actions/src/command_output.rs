//! What a program prints: its last 64 KiB kept, every line logged.

use holdfast_contract::attempt::Attempt;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How many bytes of each stream are kept.
pub(crate) const KEPT: usize = 64 * 1024;

/// The longest line that is logged in one piece.
const LINE: usize = 8 * 1024;

/// The end of what a stream said.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    /// Whether something before it was left out.
    pub(crate) is_cut: bool,
}

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * KEPT {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let over = self.bytes.len().saturating_sub(KEPT);
        self.is_cut |= over > 0;
        self.bytes.drain(..over);
    }

    /// The text, with what is no UTF-8 replaced.
    pub(crate) fn text(mut self) -> (String, bool) {
        self.cut();
        (String::from_utf8_lossy(&self.bytes).into_owned(), self.is_cut)
    }
}

/// Reads a stream to its end.
pub(crate) async fn drain(
    stream: Option<impl AsyncRead + Unpin>,
    name: &str,
    attempt: &Attempt,
) -> Tail {
    let mut tail = Tail::default();
    let Some(mut stream) = stream else { return tail };
    let mut buffer = vec![0; 16 * 1024];
    let mut line = Vec::new();
    loop {
        // A stream that cannot be read any more has ended.
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        tail.add(read);
        log_lines(read, &mut line, name, attempt);
    }
    if !line.is_empty() {
        log(&line, name, attempt);
    }
    tail
}

fn log_lines(read: &[u8], line: &mut Vec<u8>, name: &str, attempt: &Attempt) {
    for byte in read {
        if *byte != b'\n' {
            line.push(*byte);
        }
        if *byte == b'\n' || line.len() >= LINE {
            log(line, name, attempt);
            line.clear();
        }
    }
}

fn log(line: &[u8], name: &str, attempt: &Attempt) {
    attempt.log(&format!("{name}: {}", String::from_utf8_lossy(line)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_text_is_kept() {
        let mut tail = Tail::default();
        for number in 0..40_000 {
            tail.add(format!("{number:05}\n").as_bytes());
        }
        let (text, is_cut) = tail.text();
        assert_eq!(text.len(), KEPT);
        assert!(is_cut && text.ends_with("39999\n"));
    }
}
