//! Where requests go. The address of a webhook is a secret itself: only scheme, host and port are ever named.
//!
//! It also knows what must not come out again in what a receiver says. It opens no connection.

use std::fmt;

use holdfast_contract::secret::Mask;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::secret::Secret;
use crate::text;
use crate::unfit::Unfit;

/// The address of a receiver.
#[derive(Clone)]
pub(crate) struct Address {
    url: Url,
    mask: Mask,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.place())
    }
}

impl Address {
    /// Reads an address.
    pub(crate) fn read(secret: &Secret) -> Result<Self, Unfit> {
        let Ok(url) = Url::parse(secret.text().trim()) else {
            return Err(Unfit::NotUrl);
        };
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Unfit::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(Unfit::NoHost);
        }
        let mut address = Self { url, mask: Mask::default() };
        address.hide_parts();
        Ok(address)
    }

    /// Everything behind the host, whole and in its parts, as it is written and as it is read.
    fn hide_parts(&mut self) {
        let Self { url, mask } = self;
        let written = [url.path(), url.query().unwrap_or_default(), url.username()];
        let written = written.into_iter().chain(url.password()).chain(url.fragment());
        for part in written.chain(url.path_segments().into_iter().flatten()) {
            mask.add(part);
            mask.add(&percent_decode_str(part).decode_utf8_lossy());
        }
        for (name, value) in url.query_pairs() {
            mask.add(&name);
            mask.add(&value);
        }
    }

    /// Adds something that must not come out either.
    pub(crate) fn hide(&mut self, secret: &Secret) {
        self.mask.add(secret.text());
    }

    /// The whole address, for the wire only.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What may be named of it.
    pub(crate) fn place(&self) -> String {
        let scheme = self.url.scheme();
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }

    /// What may be shown of what the receiver says.
    pub(crate) fn said(&self, body: &str) -> String {
        text::excerpt(&self.mask.text(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_are_named() {
        let check = |url: &str, expect: &str| {
            let address = Address::read(&Secret::new(url)).unwrap();
            assert_eq!(address.place(), expect);
            assert_eq!(format!("{address:?}"), format!("Address({expect})"));
        };
        check("https://hooks.example.org/canary/x?canary=y#canary", "https://hooks.example.org");
        check(" https://canary:canary@example.org:8443/ ", "https://example.org:8443");
        check("http://[::1]:80/canary", "http://[::1]");
    }

    #[test]
    fn what_a_receiver_says_does_not_give_its_address_away() {
        let url =
            "https://user-canary:pass-canary@example.org/one-canary/two%20canary?key=three+canary";
        let mut address = Address::read(&Secret::new(url)).unwrap();
        address.hide(&Secret::new("four-canary"));
        for said in [
            "Cannot POST /one-canary/two%20canary?key=three+canary",
            "no route for two canary with three canary",
            "user-canary and pass-canary and Bearer four-canary are not known",
        ] {
            let said = address.said(said);
            assert!(!said.contains("canary"), "{said}");
            assert!(said.contains("***"), "{said}");
        }
        assert_eq!(address.said("no\r\nsuch \u{1b}[1mroom"), "no such \u{fffd}[1mroom");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let check = |url: &str, expect: &Unfit| {
            let unfit = Address::read(&Secret::new(url)).unwrap_err();
            assert_eq!(unfit, *expect, "{url}");
            assert!(!unfit.to_string().contains("canary"), "{unfit}");
        };
        check("canary", &Unfit::NotUrl);
        check("canary:canary", &Unfit::Scheme);
        check("file:///canary", &Unfit::Scheme);
        check("https://", &Unfit::NotUrl);
    }
}
