//! The signature of a webhook's body, in the one form that a receiver has to know.

use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_kernel::id::Digest;
use sha2::Sha256;

use crate::secret::Secret;

/// The value of the header `Holdfast-Signature`: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>", in hex>`.
///
/// `seconds` since 1970 are signed too, so that a receiver can refuse what is old.
pub fn signature(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    let signed =
        authentication(secret.text().as_bytes(), &[format!("{seconds}.").as_bytes(), body]);
    format!("t={seconds},v1={signed}")
}

/// HMAC-SHA256, RFC 2104, of parts that are put together.
fn authentication(key: &[u8], parts: &[&[u8]]) -> Digest {
    #[expect(clippy::expect_used, reason = "the keys of HMAC are of any length: RFC 2104")]
    let mut code = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    for part in parts {
        code.update(part);
    }
    Digest::from_bytes(code.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_4231() {
        let check = |key: &[u8], text: &str, expect: &str| {
            let (start, end) = text.as_bytes().split_at(text.len() / 2);
            assert_eq!(authentication(key, &[start, end]).to_string(), expect);
        };
        check(
            &[0x0b; 20],
            "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        );
        check(
            b"Jefe",
            "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn the_signature_has_its_documented_form() {
        // printf '1795539661.{}' | openssl dgst -sha256 -hmac swordfish
        assert_eq!(
            signature(&Secret::new("swordfish"), 1_795_539_661, b"{}"),
            "t=1795539661,v1=eba0d1149eec99793efb1d6c2d5eb990b34d3d395756bcaf7f6461bfa61d1b9b"
        );
    }
}
