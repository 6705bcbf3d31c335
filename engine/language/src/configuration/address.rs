//! Where messages go: addresses of the web and of people, hosts, and what may be found elsewhere instead.
//!
//! Nothing is called and no name is resolved here.

use std::net::IpAddr;

use holdfast_kernel::definition::SecretReference;

use super::secret::{reference, written};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::SECRET;
use crate::shape::check::{place, wrong_type};
use crate::yaml::{Data, Entry, Node};

/// A text that may stand in the file, or where to find one that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The text itself.
    Text(String),
    /// Where it is found; what is found there is not checked.
    Secret(SecretReference),
}

/// What to do about an address of the web that cannot stand in the file.
pub(super) struct Remedies {
    /// About one that is none.
    pub malformed: &'static str,
    /// About one with a user or a password in it.
    pub secret: &'static str,
}

/// A text that `checked` takes, or where one is found; what has another type was reported before.
pub(super) fn address(
    sink: &mut Sink<'_>,
    declared: &Entry,
    checked: impl FnOnce(&mut Sink<'_>, &Node) -> Option<String>,
) -> Option<Address> {
    if declared.value.entries().is_some() {
        return reference(sink, declared).map(Address::Secret);
    }
    checked(sink, &declared.value).map(Address::Text)
}

/// Reports what is neither a text nor the map that says where one is found; the table of keys takes anything here.
pub(super) fn check_type(sink: &mut Sink<'_>, node: &Node) {
    match &node.data {
        Data::Map(_) => place(sink, node, &SECRET),
        Data::Scalar(_) if node.text().is_some() => {}
        Data::Scalar(_) | Data::List(_) | Data::Broken => {
            wrong_type(sink, node, "text or `{ env: NAME }`");
        }
    }
}

/// An address of the web.
pub(super) fn web(sink: &mut Sink<'_>, node: &Node, remedies: &Remedies) -> Option<String> {
    let text = node.text()?;
    if names_a_user(text) {
        let message = "An address with a user or a password in it is a secret.";
        written(sink, node, message, remedies.secret);
        return None;
    }
    let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let wrong = if text.contains("{{") {
        "There are no templates in a configuration."
    } else if text.starts_with('$') {
        "Variables are not expanded in an address."
    } else if after.is_none_or(|after| after.is_empty() || after.starts_with(['/', '?', '#', ':']))
    {
        "An address of the web starts with `https://` or `http://` and a host."
    } else if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        "An address has no spaces and no line breaks."
    } else {
        return Some(text.to_owned());
    };
    sink.error(Code::BadAddress, node.span, wrong).remedy(remedies.malformed);
    None
}

/// Whether a text such as `https://name:password@host/path` says who asks, most likely with what only they know.
fn names_a_user(text: &str) -> bool {
    let after = text.split_once("://").map_or(text, |(_, after)| after);
    let host = after.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    host.contains('@')
}

/// The address of somebody who gets mail, or sends it.
pub(super) fn of_mail(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    if text.matches('@').count() != 1 {
        sink.error(Code::BadMail, node.span, format!("`{text}` is no address of mail."))
            .remedy("Write one address, such as `ops@example.org`.");
        return None;
    }
    Some(text.to_owned())
}

/// The name or the IP address of a host.
pub(super) fn host(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    if names_a_user(text) {
        let remedy = "Write the host alone, and `user` and `password` as keys of their own.";
        written(sink, node, "A host with a user or a password before it is a secret.", remedy);
        return None;
    }
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_');
    if text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.chars().all(plain)) {
        return Some(text.to_owned());
    }
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let with_port = text.rsplit_once(':').is_some_and(|(_, port)| is_port(port));
    let remedy = if with_port {
        "Write the host alone, and its port as `port:`."
    } else {
        "Write its name or its IP address, such as `mail.example.org`."
    };
    sink.error(Code::BadMail, node.span, format!("`{text}` is no host.")).remedy(remedy);
    None
}

/// Whether a host is this machine, so that what is sent to it passes nobody.
pub(super) fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_before_the_host_is_found_and_a_sign_behind_it_is_none() {
        let check = |text: &str, expect: bool| assert_eq!(names_a_user(text), expect, "{text}");
        check("https://ann:secret@example.org/hook", true);
        check("https://token@example.org", true);
        check("ann:secret@example.org", true);
        check("smtp://ann:secret@mail.example.org", true);
        check("https://example.org/@ann", false);
        check("https://example.org?to=ann@example.org", false);
        check("https://example.org", false);
        check("", false);
    }

    #[test]
    fn this_machine_is_known_by_its_name_and_by_its_addresses() {
        let check = |host: &str, expect: bool| assert_eq!(is_here(host), expect, "{host}");
        check("localhost", true);
        check("LocalHost", true);
        check("127.0.0.1", true);
        check("127.1.2.3", true);
        check("::1", true);
        check("localhost.example.org", false);
        check("10.0.0.1", false);
        check("mail.example.org", false);
    }
}
