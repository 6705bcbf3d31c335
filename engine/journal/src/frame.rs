//! The frames of append files: form, length, checksum, content.
//!
//! What a frame means, where it stands and whether it is sealed is the matter of the payload files.

use crate::codec::checksum;
use crate::payloads::PayloadError;

/// The bytes of a frame before its content: form, length, checksum.
pub(crate) const HEADER: usize = 13;

/// Contents shorter than this are not worth compressing.
const WORTH_COMPRESSING: usize = 128;

pub(crate) const PLAIN: u8 = 0;
pub(crate) const COMPRESSED: u8 = 1;
/// Added to the form of a frame whose stored bytes are sealed.
pub(crate) const SEALED: u8 = 2;

/// A content as it is stored: compressed where that makes it shorter.
pub(crate) enum Packed<'a> {
    Plain(&'a [u8]),
    Compressed(Vec<u8>),
}

impl<'a> Packed<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        if content.len() < WORTH_COMPRESSING {
            return Self::Plain(content);
        }
        match zstd::bulk::compress(content, 1) {
            Ok(packed) if packed.len() < content.len() => Self::Compressed(packed),
            Ok(_) | Err(_) => Self::Plain(content),
        }
    }

    pub(crate) const fn form(&self) -> u8 {
        match self {
            Self::Plain(_) => PLAIN,
            Self::Compressed(_) => COMPRESSED,
        }
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(content) => content,
            Self::Compressed(packed) => packed.as_slice(),
        }
    }
}

/// A frame with this content.
pub(crate) fn frame(form: u8, stored: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let length = u32::try_from(stored.len());
    let length = length.map_err(|_too_long| PayloadError::TooLong { bytes: stored.len() })?;
    let mut frame = Vec::with_capacity(HEADER + stored.len());
    frame.push(form);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(&[&[form], stored]));
    frame.extend_from_slice(stored);
    Ok(frame)
}
