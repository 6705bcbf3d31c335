//! Why there is no answer, in plain words.
//!
//! The texts of the libraries are not repeated, for they name whole addresses.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;

use rustls::CertificateError;

use crate::text;

/// Why a request has no answer.
pub(crate) fn request(place: &str, error: &reqwest::Error) -> String {
    if error.is_dns() {
        return format!("the name of {place} does not resolve");
    }
    if error.is_timeout() {
        return late(place);
    }
    why(place, error)
}

/// What is said when there was no answer in time.
pub(crate) fn late(place: &str) -> String {
    format!("{place} does not answer in time")
}

/// Why an exchange broke off, from what the libraries say in whatever depth.
pub(crate) fn why(place: &str, error: &(dyn Error + 'static)) -> String {
    let known = causes(error).find_map(|cause| in_words(place, cause));
    known.unwrap_or_else(|| format!("{place} breaks off before there is an answer"))
}

/// An error and what stands behind it, one by one.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| behind(error))
}

/// What stands behind an error. One of input and output leaves out what it was made of when it is asked.
fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(wrapped);
    }
    error.source()
}

fn in_words(place: &str, cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(format!("there is no secure connection to {place}: {}", insecure(error)));
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::TimedOut => Some(late(place)),
        ErrorKind::ConnectionRefused => Some(format!("{place} refuses the connection")),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Some(format!("{place} breaks the connection off")),
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Some(format!("no way leads to {place}")),
        _ => None,
    }
}

fn insecure(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(fault) = error else {
        return text::excerpt(&error.to_string());
    };
    let words = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::UnknownIssuer => {
            "its certificate is signed by nobody whom this machine trusts"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::Revoked => "its certificate is revoked",
        _ => "its certificate is not valid",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: io::Error, expect: &str) {
        // As libraries do, wrapped once more.
        assert_eq!(why("https://a", &io::Error::other(error)), expect);
    }

    #[test]
    fn what_is_behind_an_error_is_said_in_plain_words() {
        check(ErrorKind::ConnectionRefused.into(), "https://a refuses the connection");
        check(ErrorKind::TimedOut.into(), "https://a does not answer in time");
        check(ErrorKind::UnexpectedEof.into(), "https://a breaks the connection off");
        check(ErrorKind::NetworkUnreachable.into(), "no way leads to https://a");
        check(io::Error::other("canary"), "https://a breaks off before there is an answer");
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_said_in_plain_words() {
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        check(
            io::Error::new(ErrorKind::InvalidData, expired),
            "there is no secure connection to https://a: its certificate has expired",
        );
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        check(
            io::Error::new(ErrorKind::InvalidData, unknown),
            "there is no secure connection to https://a: its certificate is signed by nobody whom this machine \
             trusts",
        );
    }
}
