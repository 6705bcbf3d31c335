//! Reads `holdfast.yaml`: repositories, targets, channels, what is allowed, limits and retention.
//!
//! It opens no file, resolves no secret and asks no target. Paths stay as they are written until
//! [`Configuration::resolved_against`] is told where the file lies. Whoever has the text calls [`read`].

mod address;
mod allow;
mod channel;
mod duration;
mod glob;
mod keys;
mod mail;
mod notify;
mod path;
mod repository;
mod resolve;
mod retention;
mod secret;
mod service;
mod target;

use std::collections::BTreeMap;

use holdfast_kernel::definition::{SecretReference, Writes};
use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;

pub use address::Address;
pub use channel::{ChannelConfiguration, ChannelKind, INBOX};
pub(crate) use keys::{CHANNELS, CONFIGURATION, TARGETS};
pub use mail::{MailConfiguration, MailLogin, MailTls};
pub use notify::{NotifyRule, Occasion, Quiet};
pub use resolve::UnfitFolder;
pub use service::{LogForm, ServiceConfiguration};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Sink};
use crate::shape::check::place;
use crate::source::{Source, Span};
use crate::workflow::{get, integer, millis};
use crate::yaml::{self, Node};

/// The name of the repository that is used where a workflow names none.
pub const DEFAULT_REPOSITORY: &str = "default";

/// What the people who run holdfast on a machine decided; the default is what holds without a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The repositories, by name; empty if the file names none.
    pub repositories: BTreeMap<String, RepositoryConfiguration>,
    /// The targets, by name.
    pub targets: BTreeMap<String, TargetConfiguration>,
    /// The ways to tell people something, by name; the inbox is none of them.
    pub channels: BTreeMap<String, ChannelConfiguration>,
    /// What is told through which channel, in the order of the file.
    pub notify: Vec<NotifyRule>,
    /// Who has which role. A role that is not listed is everybody's who may use the state.
    pub roles: BTreeMap<String, Vec<String>>,
    /// What may be done on this machine.
    pub allow: Allow,
    /// How much goes on at once.
    pub limits: Limits,
    /// How long the state keeps what has ended.
    pub state: StateConfiguration,
    /// How the service behaves as a process.
    pub service: ServiceConfiguration,
    /// Which backup sets are to be kept; none if the file does not say.
    pub retention: Option<Retention>,
    /// What is most likely not what was meant, and does not refuse the file.
    pub warnings: Vec<Diagnostic>,
}

/// Where backup sets are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryConfiguration {
    /// Its folder.
    pub path: String,
    /// Where its password is to be found.
    pub password: SecretReference,
}

/// A configured system that is read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfiguration {
    /// What people call it by, besides its name.
    pub labels: BTreeMap<String, String>,
    /// Whose approval a plan needs before it is applied, names or roles; empty: nobody's.
    pub approval: Vec<String>,
    /// What kind of target it is, with what that kind needs.
    pub kind: TargetKind,
}

/// The kinds of target that this version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A tree of files.
    Files(FilesConfiguration),
}

impl TargetKind {
    /// The word of `kind`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Files(_) => keys::FILES_KIND,
        }
    }
}

/// A tree of files and what of it belongs to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesConfiguration {
    /// The folder.
    pub root: String,
    /// Patterns of what belongs to the target; empty is everything.
    pub include: Vec<String>,
    /// Patterns of what does not, even if it is included.
    pub exclude: Vec<String>,
    /// Whether what is mounted inside of the tree is left out.
    pub one_file_system: bool,
}

/// What may be done on this machine: nothing that is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// The programs that may be executed, in the order of the file.
    pub commands: Vec<AllowedCommand>,
    /// The folders that backup sets may be exported to.
    pub exports: Vec<String>,
}

/// A program that may be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedCommand {
    /// Its absolute path.
    pub path: String,
    /// What it writes, as far as the file promises; otherwise it counts as writing the target.
    pub writes: Writes,
}

/// How much goes on at once in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Runs that have started and not ended.
    pub runs: u32,
    /// Attempts.
    pub attempts: u32,
    /// Attempts that work on one target.
    pub attempts_for_a_target: u32,
    /// How many MiB must be free on the disk with the state directory for an attempt to start.
    pub reserve_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 32, attempts: 64, attempts_for_a_target: 16, reserve_mib: 256 }
    }
}

/// How long the state keeps what has ended; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "as the keys of the file")]
pub struct StateConfiguration {
    /// Runs, from their end on.
    pub keep_runs: Option<Millis>,
    /// Notifications.
    pub keep_notifications: Option<Millis>,
    /// Ticks, from when they were decided on.
    pub keep_ticks: Option<Millis>,
}

/// Which complete backup sets are kept, of each target and object: what any of the rules keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest.
    pub last: Option<u32>,
    /// The newest of each of so many hours.
    pub hourly: Option<u32>,
    /// The newest of each of so many days.
    pub daily: Option<u32>,
    /// The newest of each of so many weeks.
    pub weekly: Option<u32>,
    /// The newest of each of so many months.
    pub monthly: Option<u32>,
    /// The newest of each of so many years.
    pub yearly: Option<u32>,
    /// Everything that is at most this old.
    pub within: Option<Millis>,
}

impl Configuration {
    /// The repository that is used where a workflow names none: the one named `default`, or the only one.
    pub fn default_repository(&self) -> Option<(&str, &RepositoryConfiguration)> {
        let named = self.repositories.get_key_value(DEFAULT_REPOSITORY);
        let only = self.repositories.first_key_value().filter(|_| self.repositories.len() == 1);
        named.or(only).map(|(name, repository)| (name.as_str(), repository))
    }
}

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file, warnings included.
pub fn read(source: &Source) -> Result<Configuration, Vec<Diagnostic>> {
    let mut sink = Sink::new(source);
    let configuration = read_into(&mut sink);
    let refused = sink.has_errors();
    let diagnostics = sink.into_diagnostics();
    match configuration {
        Some(configuration) if !refused => {
            Ok(Configuration { warnings: diagnostics, ..configuration })
        }
        _ => Err(diagnostics),
    }
}

fn read_into(sink: &mut Sink<'_>) -> Option<Configuration> {
    let root = match yaml::read(sink) {
        Some(root) if root.entries().is_some() => root,
        read => {
            if !sink.has_errors() {
                let span = read.map_or(Span::at(0), |node| node.span);
                sink.error(Code::NoWorkflow, span, "A configuration is a map, and here is none.")
                    .remedy("Start with `holdfast_config: 1`.");
            }
            return None;
        }
    };
    if is_workflow(sink, &root) {
        return None;
    }
    place(sink, &root, &CONFIGURATION);
    check_version(sink, &root);
    let allow = get(&root, "allow").map(|node| allow::read(sink, node)).unwrap_or_default();
    Some(Configuration {
        repositories: repository::read(sink, &root),
        targets: target::read(sink, &root),
        channels: channel::read(sink, &root, &allow),
        notify: notify::read(sink, &root),
        roles: roles(&root),
        allow,
        state: get(&root, "state").map(state).unwrap_or_default(),
        service: get(&root, "service").map(|node| service::read(sink, node)).unwrap_or_default(),
        limits: get(&root, "limits").map(limits).unwrap_or_default(),
        retention: retention::read(sink, &root),
        warnings: Vec::new(),
    })
}

fn roles(root: &Node) -> BTreeMap<String, Vec<String>> {
    let entries = get(root, "roles").and_then(Node::entries).unwrap_or_default();
    let people = |entry: &yaml::Entry| (entry.key.clone(), target::texts(Some(&entry.value)));
    entries.iter().map(people).collect()
}

/// Whether the file is a workflow, which is then all that is said: no key of it would be known here.
fn is_workflow(sink: &mut Sink<'_>, root: &Node) -> bool {
    let entries = root.entries().unwrap_or_default();
    let workflow = entries.iter().find(|entry| entry.key == "holdfast");
    let Some(entry) = workflow.filter(|_| get(root, "holdfast_config").is_none()) else {
        return false;
    };
    sink.error(
        Code::BadConfigurationVersion,
        entry.key_span,
        "This is a workflow, and a configuration is wanted.",
    )
    .remedy("Start a configuration with `holdfast_config: 1`.");
    true
}

/// `holdfast_config: 1`.
fn check_version(sink: &mut Sink<'_>, root: &Node) {
    let (span, message) = match get(root, "holdfast_config") {
        None => {
            let first = root.entries().and_then(|entries| entries.first());
            let span = first.map_or(root.span, |entry| entry.key_span);
            (span, "The version of the configuration is missing.")
        }
        Some(version) if version.scalar() != Some(&Value::Integer(1)) => {
            (version.span, "This version of the configuration is not known.")
        }
        Some(_) => return,
    };
    sink.error(Code::BadConfigurationVersion, span, message)
        .remedy("Start the file with `holdfast_config: 1`.");
}

fn state(node: &Node) -> StateConfiguration {
    StateConfiguration {
        keep_runs: millis(node, "keep_runs"),
        keep_notifications: millis(node, "keep_notifications"),
        keep_ticks: millis(node, "keep_ticks"),
    }
}

fn limits(node: &Node) -> Limits {
    let default = Limits::default();
    Limits {
        runs: integer(node, "runs").unwrap_or(default.runs),
        attempts: integer(node, "attempts").unwrap_or(default.attempts),
        attempts_for_a_target: integer(node, "attempts_for_a_target")
            .unwrap_or(default.attempts_for_a_target),
        reserve_mib: integer(node, "reserve_mib").unwrap_or(default.reserve_mib),
    }
}
