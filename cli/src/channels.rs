//! The channels of the configuration and the heartbeats of schedules, as the outbox asks for them: rules as they are
//! now, and each channel with its secrets read at the moment it is used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use holdfast_actions::allow::AllowedCommands;
use holdfast_channels::{
    Channel, Client, Command, Heartbeat, Hook, Mail, MailServer, Ntfy, Secret, Security, Unfit,
    Webhook,
};
use holdfast_journal::query::Reader;
use holdfast_kernel::definition::SecretReference;
use holdfast_kernel::id::Millis;
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_language::Heartbeat as Called;
use holdfast_language::configuration::Configuration;
use holdfast_language::configuration::{
    Address, ChannelKind, MailConfiguration, MailTls, NotifyRule,
};
use holdfast_outbox::{
    Directory, Letters, Nudge, Outbox, Pace, Rules, Setup, schedule_of_heartbeat, settle,
};
use holdfast_runtime::handle::Handle;
use holdfast_runtime::tasks;
use holdfast_service::answer::Sources;

use crate::book::Book;
use crate::compose::Parts;
use crate::error::Error;
use crate::secrets::value;
use crate::settings::Settings;

/// How long is waited for what people outside are told, before a process ends that has done its work.
pub(crate) const PATIENCE: Millis = Millis::seconds(10);

/// The same of one that is told to end.
const HASTE: Millis = Millis::seconds(5);

/// How long a heartbeat is tried: later it would say nothing of use.
const HEARTBEAT: Millis = Millis::seconds(60 * 60);

/// What the outbox is told.
pub(crate) struct Channels {
    now: Mutex<Now>,
    book: Shelf,
    letters: Letters,
}

/// Where the schedules with their heartbeats are known from.
pub(crate) enum Shelf {
    /// A book that whoever serves keeps.
    Kept(Arc<Book>),
    /// A book that is read once, if a run of a schedule ends.
    Unread(Box<(Settings, Parts)>, Arc<Book>, Once),
}

impl Shelf {
    /// One for a process that waits for no ticks.
    pub(crate) fn unread(settings: &Settings, parts: &Parts, sources: &Sources) -> Self {
        let book = Arc::new(Book::new(parts.clone(), sources.clone()));
        Self::Unread(Box::new((settings.clone(), parts.clone())), book, Once::new())
    }

    fn book(&self) -> &Book {
        match self {
            Self::Kept(book) => book,
            Self::Unread(from, book, once) => {
                // What cannot be read has no heartbeats; whoever serves says so.
                once.call_once(|| book.read(&from.0, &from.1).map(drop).unwrap_or_default());
                book
            }
        }
    }
}

/// What holds now.
struct Now {
    rules: Arc<Rules>,
    configuration: Arc<Configuration>,
    allowed: AllowedCommands,
}

impl Now {
    fn of(settings: &Settings) -> Self {
        Self {
            rules: Arc::new(rules(&settings.configuration.notify)),
            configuration: Arc::new(settings.configuration.clone()),
            allowed: settings.allowed(),
        }
    }
}

/// The rules, compiled. Their patterns were read before; one that is none all the same matches nothing.
fn rules(rules: &[NotifyRule]) -> Rules {
    Rules::new(rules).unwrap_or_default()
}

impl Channels {
    /// The channels of a configuration; `book` knows of the heartbeats of schedules.
    pub(crate) fn new(settings: &Settings, book: Shelf, instance: &str) -> Self {
        let installation = instance.to_owned();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let letters = Letters { installation, host };
        Self { now: Mutex::new(Now::of(settings)), book, letters }
    }

    /// Goes by another configuration.
    pub(crate) fn configure(&self, settings: &Settings) {
        *self.now() = Now::of(settings);
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heartbeat(&self, name: &str) -> Option<Called> {
        let schedule = schedule_of_heartbeat(name)?;
        self.book.book().heartbeat(&schedule).map(|(called, _)| called)
    }
}

impl Directory for Channels {
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.now().rules)
    }

    fn give_up_after(&self, channel: &str) -> Option<Millis> {
        if schedule_of_heartbeat(channel).is_some() {
            return Some(HEARTBEAT);
        }
        Some(self.now().configuration.channels.get(channel)?.give_up_after)
    }

    fn channel(&self, name: &str) -> Result<Channel, String> {
        let (configuration, allowed) = {
            let now = self.now();
            (Arc::clone(&now.configuration), now.allowed.clone())
        };
        let made = if schedule_of_heartbeat(name).is_some() {
            let called = self.heartbeat(name);
            let called = called.ok_or("the schedule has no `heartbeat_url` any more")?;
            heartbeat(&allowed, &called)
        } else {
            let channel = configuration.channels.get(name);
            let channel = channel.ok_or("the configuration has no such channel any more")?;
            of_kind(&allowed, &channel.kind)
        };
        made.map_err(|error| error.0)
    }

    fn wants_heartbeat(&self, schedule: &ScheduleName, status: RunStatus) -> bool {
        let Some((_, accept_partial)) = self.book.book().heartbeat(schedule) else { return false };
        match status {
            RunStatus::Succeeded => true,
            RunStatus::Partial => accept_partial,
            RunStatus::Queued | RunStatus::Running | RunStatus::Failed => false,
        }
    }

    fn letters(&self) -> Letters {
        self.letters.clone()
    }
}

/// What carries notifications to people outside, while an executor goes on.
pub(crate) struct Sending {
    channels: Arc<Channels>,
    nudge: Nudge,
    reader: Reader,
    /// None once it has begun.
    outbox: Mutex<Option<Outbox>>,
    handle: Handle,
}

impl Sending {
    /// Makes it; it does nothing before it begins. `tell` is where trouble with the store is told.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(
        channels: Channels,
        (handle, reader): (&Handle, &Reader),
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let channels = Arc::new(channels);
        let directory = Arc::clone(&channels);
        let client = Client::new().map_err(|error| {
            Error::unavailable(format!("People outside cannot be told anything: {error}."))
        })?;
        let (outbox, nudge) = Outbox::new(Setup {
            handle: handle.clone(),
            reader: reader.clone(),
            directory,
            client,
            pace: Pace::default(),
            tell: Arc::new(tell),
        });
        let (outbox, handle) = (Mutex::new(Some(outbox)), handle.clone());
        Ok(Self { channels, nudge, reader: reader.clone(), outbox, handle })
    }

    /// Begins, if it has not yet: the schedules and their heartbeats have to be known by then.
    pub(crate) fn begin(&self) {
        let outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(outbox), handle) = (outbox, self.handle.clone()) else { return };
        tasks::spawn(async move {
            // A process that tells nobody anything is one for the service manager to start anew.
            if tasks::spawn(outbox.run()).await.is_err() {
                handle.drain();
            }
        });
    }

    /// Goes by another configuration.
    pub(crate) fn configure(&self, settings: &Settings) {
        self.channels.configure(settings);
    }

    /// Files were read anew: what failed may go well now.
    pub(crate) fn again(&self) {
        self.nudge.again();
    }

    /// Waits for what can still be told, for so long; and says how much waits then.
    pub(crate) async fn settle(&self, limit: Millis) -> u64 {
        // What cannot be read is told by whoever needs it.
        settle(&self.reader, &self.nudge, limit).await.unwrap_or_default()
    }

    /// Lets an executor drain once what can be told in haste is told, and how far was looked is stored.
    pub(crate) fn drain(&self, handle: Handle) {
        if self.outbox.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            // It has not begun: nothing is under way.
            return handle.drain();
        }
        let (reader, nudge) = (self.reader.clone(), self.nudge.clone());
        tasks::spawn(async move {
            settle(&reader, &nudge, HASTE).await.map(drop).unwrap_or_default();
            handle.drain();
        });
    }
}

/// Why a channel cannot be made; without secrets.
struct Unmade(String);

impl From<Unfit> for Unmade {
    fn from(unfit: Unfit) -> Self {
        Self(unfit.to_string())
    }
}

fn of_kind(allowed: &AllowedCommands, kind: &ChannelKind) -> Result<Channel, Unmade> {
    Ok(match kind {
        ChannelKind::Webhook { url, secret, headers } => {
            let url = text(allowed, "its address", url)?;
            let secret = secret.as_ref().map(|secret| read(allowed, "its `secret`", secret));
            let headers = headers.iter().map(|(name, value)| {
                Ok((name.clone(), text(allowed, &format!("its header `{name}`"), value)?))
            });
            let headers = headers.collect::<Result<BTreeMap<_, _>, Unmade>>()?;
            Channel::Webhook(Webhook::new(&url, secret.transpose()?, &headers)?)
        }
        ChannelKind::Slack { url } => {
            Channel::Slack(Hook::new(&read(allowed, "its address", url)?)?)
        }
        ChannelKind::Teams { url } => {
            Channel::Teams(Hook::new(&read(allowed, "its address", url)?)?)
        }
        ChannelKind::Ntfy { server, topic, token } => {
            let topic = text(allowed, "its topic", topic)?;
            let token =
                token.as_ref().map(|token| read(allowed, "its token", token)).transpose()?;
            Channel::Ntfy(Ntfy::new(&Secret::new(server.as_str()), &topic, token.as_ref())?)
        }
        ChannelKind::Mail(mail) => Channel::Mail(self::mail(allowed, mail)?),
        ChannelKind::Command(argv) => {
            let program = argv.first().map(String::as_str).unwrap_or_default();
            allowed.path(program).map_err(|failure| Unmade(failure.message))?;
            Channel::Command(Command::new(argv.clone())?)
        }
    })
}

fn mail(allowed: &AllowedCommands, mail: &MailConfiguration) -> Result<Mail, Unmade> {
    let login = mail.login.as_ref().map(|login| {
        let password = read(allowed, "its password", &login.password)?;
        Ok::<_, Unmade>((Secret::new(login.user.as_str()), password))
    });
    let server = MailServer {
        host: mail.host.clone(),
        port: mail.port,
        security: match mail.tls {
            MailTls::Starttls => Security::StartTls,
            MailTls::Implicit => Security::Implicit,
            MailTls::None => Security::None,
        },
        credentials: login.transpose()?,
    };
    Ok(Mail::new(&server, &mail.from, &mail.to)?)
}

fn heartbeat(allowed: &AllowedCommands, called: &Called) -> Result<Channel, Unmade> {
    let url = match called {
        Called::Url(url) => Secret::new(url.as_str()),
        Called::Secret(reference) => read(allowed, "its `heartbeat_url`", reference)?,
    };
    Ok(Channel::Heartbeat(Heartbeat::new(&url)?))
}

/// A text that stands in the file, or elsewhere.
fn text(allowed: &AllowedCommands, what: &str, address: &Address) -> Result<Secret, Unmade> {
    match address {
        Address::Text(text) => Ok(Secret::new(text.as_str())),
        Address::Secret(reference) => read(allowed, what, reference),
    }
}

fn read(
    allowed: &AllowedCommands,
    what: &str,
    reference: &SecretReference,
) -> Result<Secret, Unmade> {
    match value(allowed, what, reference) {
        Ok(text) => Ok(Secret::new(text)),
        Err(failure) => Err(Unmade(failure.message)),
    }
}
