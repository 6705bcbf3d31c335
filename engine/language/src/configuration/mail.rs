//! Channels of the kind `mail`: the server, how it is spoken to, and who gets what.
//!
//! No server is called here.

use holdfast_kernel::definition::SecretReference;

use super::address::{host, is_here, of_mail};
use super::keys::MAIL;
use super::secret::reference;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::check::place;
use crate::workflow::{entry, get, integer, text};
use crate::yaml::Node;

/// A server of mail, and from whom to whom it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailConfiguration {
    /// The name or the IP address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How what is said to it is kept from others.
    pub tls: MailTls,
    /// Who it is told that asks; none: nobody in particular.
    pub login: Option<MailLogin>,
    /// Whom the mail is from.
    pub from: String,
    /// Who gets it, at least one.
    pub to: Vec<String>,
}

/// Who asks a server of mail to carry something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLogin {
    /// The name.
    pub user: String,
    /// Where the password is found.
    pub password: SecretReference,
}

/// How what is said to a server of mail is kept from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    /// With TLS, which is asked for first: STARTTLS.
    #[default]
    Starttls,
    /// With TLS from the first byte on.
    Implicit,
    /// Not at all; only on this machine.
    None,
}

impl MailTls {
    /// Every way, in the order of the table of keys.
    pub const ALL: [Self; 3] = [Self::Starttls, Self::Implicit, Self::None];

    /// The word of `tls`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
            Self::None => "none",
        }
    }

    /// The port that servers have for it.
    pub const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// A channel of the kind `mail`.
pub(super) fn read(sink: &mut Sink<'_>, node: &Node) -> Option<MailConfiguration> {
    place(sink, node, &MAIL);
    let host = get(node, "host").and_then(|node| host(sink, node));
    let word = text(node, "tls");
    let tls = MailTls::ALL.into_iter().find(|tls| word == Some(tls.word())).unwrap_or_default();
    if let Some(host) = &host {
        check_tls(sink, node, host, tls);
    }
    let login = login(sink, node);
    let from = get(node, "from").and_then(|node| of_mail(sink, node));
    let to = get(node, "to").map(|list| recipients(sink, list)).unwrap_or_default();
    let port = integer(node, "port").and_then(|port| u16::try_from(port).ok());
    Some(MailConfiguration {
        host: host?,
        port: port.unwrap_or_else(|| tls.port()),
        tls,
        login,
        from: from?,
        to,
    })
}

/// Nothing goes to another machine so that everybody on the way can read it.
fn check_tls(sink: &mut Sink<'_>, node: &Node, host: &str, tls: MailTls) {
    let Some(written) = get(node, "tls").filter(|_| tls == MailTls::None && !is_here(host)) else {
        return;
    };
    let message = format!("`{host}` is another machine, and mail to it would go in the clear.");
    sink.error(Code::MailInTheClear, written.span, message)
        .remedy("Write `starttls` or `implicit`.");
}

/// `user` and `password` go together.
fn login(sink: &mut Sink<'_>, node: &Node) -> Option<MailLogin> {
    let user = entry(node, "user");
    let password = entry(node, "password");
    let alone = match (user, password) {
        (Some(user), None) => Some((user, "password", "`password: { env: NAME }`")),
        (None, Some(password)) => Some((password, "user", "`user:`")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    if let Some((alone, missing, written)) = alone {
        let message = format!("`{}` makes sense only with `{missing}`.", alone.key);
        sink.error(Code::KeysExclude, alone.key_span, message)
            .remedy(format!("Add {written}, or leave `{}` out.", alone.key));
    }
    let password = password.and_then(|password| reference(sink, password));
    Some(MailLogin { user: user?.value.text()?.to_owned(), password: password? })
}

fn recipients(sink: &mut Sink<'_>, node: &Node) -> Vec<String> {
    let list = node.list().unwrap_or_default();
    if node.list().is_some_and(<[Node]>::is_empty) {
        sink.error(Code::OutOfRange, node.span, "Nobody gets the mail.")
            .remedy("Write at least one address, such as `[ops@example.org]`.");
    }
    list.iter().filter_map(|node| of_mail(sink, node)).collect()
}
