//! Channels: by their kind, each with the keys of that kind.
//!
//! Nothing is sent here, and whether somebody is at the other end is not asked.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_kernel::definition::SecretReference;
use holdfast_kernel::id::Millis;

use super::Allow;
use super::address::{Address, Remedies, address, check_type, web};
use super::duration::{Bounds, within};
use super::keys::{CHANNELS, COMMAND_CHANNEL, NTFY, SLACK, TEAMS, WEBHOOK};
use super::mail::{self, MailConfiguration};
use super::path::program;
use super::secret::{reference, written};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::Place;
use crate::shape::check::{place, wrong_type};
use crate::suggest;
use crate::workflow::{entry, get};
use crate::yaml::{Entry, Node};

/// The channel that is always there, and that the file does not declare: the stored notifications.
pub const INBOX: &str = "inbox";

/// A way to tell people something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfiguration {
    /// How long it is tried to deliver something, before the channel gives it up.
    pub give_up_after: Millis,
    /// What kind of channel it is, with what that kind needs.
    pub kind: ChannelKind,
}

/// The kinds of channel that this version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// An address of the web that is sent JSON.
    Webhook {
        /// The address.
        url: Address,
        /// Where the key is found that what is sent is signed with, by HMAC-SHA256; none: it is not signed.
        secret: Option<SecretReference>,
        /// What else is sent with it, by the names of the headers.
        headers: BTreeMap<String, Address>,
    },
    /// A hook of Slack.
    Slack {
        /// Where its address is found, which is a secret itself.
        url: SecretReference,
    },
    /// A hook of Microsoft Teams.
    Teams {
        /// Where its address is found, which is a secret itself.
        url: SecretReference,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// The address of the server.
        server: String,
        /// The topic.
        topic: Address,
        /// Where the token is found that the server asks for; none: it asks for none.
        token: Option<SecretReference>,
    },
    /// Mail.
    Mail(MailConfiguration),
    /// A program with its arguments.
    Command(Vec<String>),
}

impl ChannelKind {
    /// The word of `kind`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Teams { .. } => "teams",
            Self::Ntfy { .. } => "ntfy",
            Self::Mail(_) => "mail",
            Self::Command(_) => "command",
        }
    }
}

const DAY: u64 = 24 * 60 * 60;

const GIVE_UP_AFTER: Bounds =
    Bounds { least: Millis::seconds(60), most: Millis::seconds(30 * DAY) };

/// The server of a channel of the kind `ntfy` that names none.
const NTFY_SERVER: &str = "https://ntfy.sh";

/// Headers that are there to say who asks, with what only they know.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];

/// The channels of the file, by name.
pub(super) fn read(
    sink: &mut Sink<'_>,
    root: &Node,
    allow: &Allow,
) -> BTreeMap<String, ChannelConfiguration> {
    let entries = get(root, "channels").and_then(Node::entries).unwrap_or_default();
    let mut channels = BTreeMap::new();
    for entry in entries {
        if sink.is_full() {
            break;
        }
        let channel = channel(sink, entry, allow);
        channels.extend(channel.map(|channel| (entry.key.clone(), channel)));
    }
    channels
}

fn channel(sink: &mut Sink<'_>, entry: &Entry, allow: &Allow) -> Option<ChannelConfiguration> {
    let node = &entry.value;
    if entry.key == INBOX {
        sink.error(Code::InboxReserved, entry.key_span, "`inbox` is always there.")
            .remedy("Give the channel another name.");
    }
    if node.entries().is_none() {
        wrong_type(sink, node, "a map");
        return None;
    }
    let Some(kind) = get(node, "kind") else {
        sink.error(
            Code::MissingKey,
            entry.key_span,
            format!("The key `kind` of the channel `{}` is missing.", entry.key),
        )
        .remedy(suggest::one_of(&CHANNELS.map(|(word, _)| word)));
        return None;
    };
    let give_up_after = within(sink, node, "give_up_after", &GIVE_UP_AFTER);
    Some(ChannelConfiguration {
        give_up_after: give_up_after.unwrap_or(Millis::seconds(DAY)),
        kind: of_kind(sink, node, kind, allow)?,
    })
}

fn of_kind(sink: &mut Sink<'_>, node: &Node, kind: &Node, allow: &Allow) -> Option<ChannelKind> {
    match kind.text() {
        Some("webhook") => webhook(sink, node),
        Some("slack") => hook(sink, node, &SLACK).map(|url| ChannelKind::Slack { url }),
        Some("teams") => hook(sink, node, &TEAMS).map(|url| ChannelKind::Teams { url }),
        Some("ntfy") => ntfy(sink, node),
        Some("mail") => mail::read(sink, node).map(ChannelKind::Mail),
        Some("command") => command(sink, node, allow).map(ChannelKind::Command),
        Some(unknown) => {
            unknown_kind(sink, kind, unknown);
            None
        }
        None => {
            wrong_type(sink, kind, "a word");
            None
        }
    }
}

fn unknown_kind(sink: &mut Sink<'_>, node: &Node, kind: &str) {
    let remedy = match kind {
        "http" | "https" | "url" | "post" => "Write `webhook`.".to_owned(),
        "email" | "e-mail" | "smtp" => "Write `mail`.".to_owned(),
        "msteams" | "microsoft_teams" => "Write `teams`.".to_owned(),
        "exec" | "program" | "script" | "shell" => "Write `command`.".to_owned(),
        _ => suggest::remedy(kind, &CHANNELS.map(|(word, _)| word)),
    };
    sink.error(
        Code::UnknownWord,
        node.span,
        format!("There are no channels of the kind `{kind}`."),
    )
    .remedy(remedy);
}

fn webhook(sink: &mut Sink<'_>, node: &Node) -> Option<ChannelKind> {
    const REMEDIES: Remedies = Remedies {
        malformed: "Write it as `https://example.org/hook`, or where it is found: `{ env: NAME }`.",
        secret: "Write where the whole address is found: `{ env: NAME }` or `{ file: PATH }`.",
    };
    place(sink, node, &WEBHOOK);
    // A template was reported by the table of keys.
    let is_template = |node: &Node| node.text().is_some_and(|text| text.contains("{{"));
    let url = entry(node, "url").filter(|entry| !is_template(&entry.value));
    let url = url.and_then(|entry| address(sink, entry, |sink, node| web(sink, node, &REMEDIES)));
    let secret = entry(node, "secret").and_then(|entry| reference(sink, entry));
    let headers = get(node, "headers").and_then(Node::entries).unwrap_or_default();
    let headers = headers
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), header(sink, entry)?)))
        .collect();
    Some(ChannelKind::Webhook { url: url?, secret, headers })
}

fn header(sink: &mut Sink<'_>, declared: &Entry) -> Option<Address> {
    let name = declared.key.as_str();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        sink.error(Code::BadName, declared.key_span, format!("`{name}` is no name of a header."))
            .remedy("Use letters, digits and `-`.");
    }
    check_type(sink, &declared.value);
    address(sink, declared, |sink, node| {
        let text = node.text()?;
        if SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            let message = format!("What `{name}` says is a secret.");
            written(sink, node, &message, "Write where it is found: `{ env: NAME }`.");
            return None;
        }
        if text.chars().any(char::is_control) {
            sink.error(Code::WrongType, node.span, "A header has one line.")
                .remedy("Write the text in one line, without a line break at its end.");
            return None;
        }
        Some(text.to_owned())
    })
}

/// The address of a hook whose address is all that is needed to write there.
fn hook(sink: &mut Sink<'_>, node: &Node, table: &'static Place) -> Option<SecretReference> {
    place(sink, node, table);
    entry(node, "url").and_then(|entry| reference(sink, entry))
}

fn ntfy(sink: &mut Sink<'_>, node: &Node) -> Option<ChannelKind> {
    place(sink, node, &NTFY);
    let server = match get(node, "server") {
        Some(node) => server(sink, node),
        None => Some(NTFY_SERVER.to_owned()),
    };
    let topic = entry(node, "topic").and_then(|entry| {
        check_type(sink, &entry.value);
        address(sink, entry, topic)
    });
    let token = entry(node, "token").and_then(|entry| reference(sink, entry));
    Some(ChannelKind::Ntfy { server: server?, topic: topic?, token })
}

/// The address of an ntfy server, which is nothing but a host: the topic stands for itself.
fn server(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    const REMEDIES: Remedies = Remedies {
        malformed: "Write it as `https://ntfy.example.org`.",
        secret: "Write the address without them, and `token: { env: NAME }`.",
    };
    let text = web(sink, node, &REMEDIES)?;
    let after = text.split_once("://").map_or("", |(_, after)| after);
    if after.strip_suffix('/').unwrap_or(after).contains(['/', '?', '#']) {
        sink.error(
            Code::BadAddress,
            node.span,
            "The address of an ntfy server ends with its host.",
        )
        .remedy("Write it as `https://ntfy.example.org`, and the topic as `topic:`.");
        return None;
    }
    Some(text)
}

fn topic(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        sink.error(Code::BadName, node.span, format!("`{text}` is no topic."))
            .remedy("Use letters, digits, `-` and `_`, at most 64.");
        return None;
    }
    Some(text.to_owned())
}

/// A program with its arguments, which may be executed here.
fn command(sink: &mut Sink<'_>, node: &Node, allow: &Allow) -> Option<Vec<String>> {
    place(sink, node, &COMMAND_CHANNEL);
    let list = get(node, "command")?;
    let Some(first) = list.list()?.first() else {
        sink.error(Code::OutOfRange, list.span, "The command has no program.")
            .remedy("Write `command: [/path/of/program, argument]`.");
        return None;
    };
    let program = program(sink, first)?;
    let is_this = |path: &str| Path::new(path) == Path::new(&program);
    if !allow.commands.iter().any(|command| is_this(&command.path)) {
        sink.error(
            Code::CommandNotAllowed,
            first.span,
            format!("`{program}` is not one of the programs that may be executed."),
        )
        .remedy(format!("Add `{program}` to the list `commands` of `allow`."));
    }
    list.list()?.iter().map(|word| word.text().map(str::to_owned)).collect()
}
