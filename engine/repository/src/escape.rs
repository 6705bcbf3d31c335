//! Keys as file names, and back.
//!
//! The names are safe on file systems that ignore case, for the names other systems reserve, for tags of
//! restic, and at most 200 bytes long. A key that is too long gets a digest and does not read back; the
//! manifest of a set keeps the true keys.

use holdfast_kernel::id::Digest;

/// The most bytes of a name: a suffix must fit behind it.
const MAX_BYTES: usize = 200;
/// How many bytes of a long name are kept before its digest.
const KEPT_BYTES: usize = 160;
/// What stands before the digest of a key that is too long.
const CUT: char = '~';
/// What an empty key is written as.
const EMPTY: &str = "%";

/// The file name for a key.
pub fn file_name(key: &[u8]) -> String {
    if key.is_empty() {
        return EMPTY.to_owned();
    }
    let plain_first = !is_reserved(key);
    let mut pieces: Vec<String> = key.iter().map(|byte| piece(*byte)).collect();
    // A dot in front hides a file, one at the end is dropped by other systems.
    let last = pieces.len() - 1;
    for (at, plain) in
        [(0, plain_first && key.first() != Some(&b'.')), (last, key.last() != Some(&b'.'))]
    {
        if !plain && let (Some(piece), Some(byte)) = (pieces.get_mut(at), key.get(at)) {
            *piece = hex(*byte);
        }
    }
    let name = pieces.concat();
    if name.len() <= MAX_BYTES {
        return name;
    }
    let mut kept = String::new();
    for piece in pieces {
        if kept.len() + piece.len() > KEPT_BYTES {
            break;
        }
        kept.push_str(&piece);
    }
    let digest: String = Digest::of_bytes(key).to_string().chars().take(32).collect();
    kept.push(CUT);
    kept + &digest
}

/// The key of a file name; none if it never stands for one, or its key was too long.
pub fn key_of(name: &str) -> Option<Vec<u8>> {
    if name == EMPTY {
        return Some(Vec::new());
    }
    let mut key = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                key.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'^' => key.push(rest.next()?.to_ascii_uppercase()),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => key.push(byte),
            _ => return None,
        }
    }
    (file_name(&key) == name).then_some(key)
}

fn piece(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        b'A'..=b'Z' => format!("^{}", char::from(byte.to_ascii_lowercase())),
        _ => hex(byte),
    }
}

fn hex(byte: u8) -> String {
    format!("%{byte:02x}")
}

/// Whether other systems keep the name for a device, whatever follows its first dot.
fn is_reserved(key: &[u8]) -> bool {
    let stem = key.split(|byte| *byte == b'.').next().unwrap_or(key);
    let stem = stem.to_ascii_lowercase();
    match &stem[..] {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_readable_where_they_can_be() {
        for (key, name) in [
            ("", "%"),
            ("policy-1.json", "policy-1.json"),
            ("Break Glass", "^break%20^glass"),
            ("..", "%2e%2e"),
            (".hidden", "%2ehidden"),
            ("../../etc", "%2e.%2f..%2fetc"),
            ("nul", "%6eul"),
            ("COM1.txt", "%43^o^m1.txt"),
            ("a,b", "a%2cb"),
            ("\u{e4}", "%c3%a4"),
        ] {
            assert_eq!(file_name(key.as_bytes()), name);
        }
    }

    #[test]
    fn every_key_of_one_or_two_bytes_reads_back_and_no_two_meet_in_any_case() {
        let mut names = BTreeSet::new();
        let two = (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| vec![a, b]));
        for key in (0..=u8::MAX).map(|a| vec![a]).chain(two) {
            let name = file_name(&key);
            assert_eq!(key_of(&name), Some(key), "{name}");
            assert!(names.insert(name.to_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn a_key_that_is_too_long_gets_a_digest_and_stays_unique() {
        let long = "x".repeat(500);
        let other = format!("{long}y");
        let (name, other) = (file_name(long.as_bytes()), file_name(other.as_bytes()));
        assert!(name.len() <= MAX_BYTES && name != other);
        assert_eq!(key_of(&name), None);
    }
}
