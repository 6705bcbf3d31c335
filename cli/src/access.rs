//! The way to a state directory: its owner's socket if somebody owns it, else the files themselves.
//!
//! Commands ask the same questions either way.

use std::cell::RefCell;
use std::time::Duration;

use holdfast_drive::output::Reply;
use holdfast_journal::query::Found;
use holdfast_journal::record::RunRecord;
use holdfast_kernel::id::RunId;
use holdfast_runtime::clock;
use holdfast_runtime::executor::Compile;
use holdfast_runtime::lock::{PATIENCE, StateLock};
use holdfast_runtime::offline::Offline;
use holdfast_service::answer::{NoAnswer, Sources, json, want};
use holdfast_service::client::{Client, ClientError};
use holdfast_service::wire::ask::{Act, Ask, LoadedRun};
use serde::de::DeserializeOwned;

use crate::compose::{Parts, Tried, try_undriven};
use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// How long a command waits between two looks at who has a state and is about to let go of it.
pub(crate) const BETWEEN: Duration = Duration::from_millis(20);

/// A state directory, however it is reached.
pub(crate) struct Access {
    way: RefCell<Way>,
    /// What finds another way when an owner ends; none in the owner itself.
    again: Option<(Settings, Parts)>,
}

/// A way to a state directory.
pub(crate) enum Way {
    /// Nobody owns it: it is open here, and nothing is driven.
    Here(Box<Here>),
    /// Its owner answers.
    There(Client),
    /// This process owns it and drives its runs.
    Owner(Sources),
}

/// A state that is open here.
pub(crate) struct Here {
    pub(crate) offline: Offline,
    pub(crate) sources: Sources,
    /// How many runs are unfinished.
    pub(crate) unfinished: usize,
    pub(crate) compile: Compile,
    pub(crate) _lock: StateLock,
}

impl Access {
    /// Finds the way.
    ///
    /// # Errors
    /// The state cannot be used, or its owner does not answer.
    pub(crate) fn open(settings: &Settings, parts: &Parts) -> Result<Self, Error> {
        let way = RefCell::new(way(settings, parts)?);
        Ok(Self { way, again: Some((settings.clone(), parts.clone())) })
    }

    /// The way of the owner itself.
    pub(crate) const fn owner(sources: Sources) -> Self {
        Self { way: RefCell::new(Way::Owner(sources)), again: None }
    }

    /// The answer to a question, of the type that the question names. An owner that ends meanwhile leaves its
    /// state to whoever asks.
    ///
    /// # Errors
    /// What is stored cannot be read, or the owner is gone.
    pub(crate) fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Error> {
        let error = match &*self.way.borrow() {
            Way::Here(here) => return here.ask(ask),
            Way::Owner(sources) => return read(sources, ask),
            Way::There(client) => match client.ask(ask.clone()) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            },
        };
        match (error, &self.again) {
            (ClientError::Nobody(_) | ClientError::Broken(_), Some((settings, parts))) => {
                let way = way(settings, parts)?;
                let asked = match &way {
                    Way::Here(here) => here.ask(ask),
                    Way::There(client) => client.ask(ask).map_err(|error| gone(&error)),
                    Way::Owner(sources) => read(sources, ask),
                };
                *self.way.borrow_mut() = way;
                asked
            }
            (error, _) => Err(gone(&error)),
        }
    }

    /// Does something.
    ///
    /// # Errors
    /// It was not stored.
    pub(crate) fn act(&mut self, act: Act) -> Result<Reply, Error> {
        if let Some((settings, parts)) = &self.again
            && let Way::There(client) = self.way.get_mut()
        {
            match client.ask(Ask::Act(act.clone())) {
                // It has heard nothing: nothing can have happened.
                Err(ClientError::Nobody(_)) => *self.way.get_mut() = way(settings, parts)?,
                answered => return answered.map_err(|error| gone(&error)),
            }
        }
        match self.way.get_mut() {
            Way::Here(here) => here.act(act),
            Way::There(client) => client.ask(Ask::Act(act)).map_err(|error| gone(&error)),
            Way::Owner(_) => Err(Error::internal("The owner of a state asks itself.")),
        }
    }

    /// The client of an owner, if there is one.
    pub(crate) fn client(&self) -> Option<Client> {
        match &*self.way.borrow() {
            Way::There(client) => Some(client.clone()),
            Way::Here(_) | Way::Owner(_) => None,
        }
    }

    /// The run that an id, or the beginning of one, names.
    ///
    /// # Errors
    /// It names none, or several.
    pub(crate) fn find(&self, text: &str) -> Result<RunId, Error> {
        match self.ask(Ask::Find { text: text.to_owned() })? {
            Found::One(run) => Ok(run),
            Found::None => Err(Error::usage(format!("There is no run `{text}`."))
                .hint("`holdfast runs` lists the runs of this state directory.")),
            Found::Several(runs) => {
                let error = Error::usage(format!("`{text}` is the beginning of several run ids."));
                Err(runs.iter().fold(error, |error, run| error.hint(run.to_string())))
            }
        }
    }

    /// A run's record.
    ///
    /// # Errors
    /// There is no such run.
    pub(crate) fn record(&self, run: RunId) -> Result<RunRecord, Error> {
        let record: Option<RunRecord> = self.ask(Ask::Run { run })?;
        record.ok_or_else(|| Error::usage(format!("There is no run {run}.")))
    }

    /// A run's definition and state.
    ///
    /// # Errors
    /// There is no such run.
    pub(crate) fn load(&self, run: RunId) -> Result<LoadedRun, Error> {
        let loaded: Option<LoadedRun> = self.ask(Ask::Load { run })?;
        loaded.ok_or_else(|| Error::usage(format!("There is no run {run}.")))
    }

    /// Whether somebody drives the runs of the state.
    pub(crate) fn is_driven(&self) -> bool {
        matches!(&*self.way.borrow(), Way::There(_) | Way::Owner(_))
    }

    /// Whether this process drives them.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(&*self.way.borrow(), Way::Owner(_))
    }

    /// What is unfinished and driven by nobody, for commands that drive nothing.
    pub(crate) fn tell_unfinished(&self, output: Output) {
        let Way::Here(here) = &*self.way.borrow() else { return };
        match here.unfinished {
            0 => {}
            1 => output.talk("1 run is unfinished: `holdfast resume` goes on with it."),
            many => output
                .talk(format!("{many} runs are unfinished: `holdfast resume` goes on with them.")),
        }
    }
}

impl Here {
    fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Error> {
        if ask == Ask::Obstacles {
            let answer = json(&self.offline.obstacles());
            return answered(&answer.map_err(|error| unreadable(&error))?);
        }
        read(&self.sources, ask)
    }

    fn act(&mut self, act: Act) -> Result<Reply, Error> {
        let by = environment::user();
        if let Err(refusal) = self.sources.permits(&act, &by) {
            return Ok(Reply::Refused(refusal));
        }
        let want = want(act, by, &self.compile);
        let want = want.map_err(|error| Error::internal(format!("{error}.")))?;
        let reply = self.offline.act(want);
        reply.map_err(|error| Error::unavailable(format!("It was not stored: {error}.")))
    }
}

/// Finds a way to a state directory.
fn way(settings: &Settings, parts: &Parts) -> Result<Way, Error> {
    let began = clock::monotonic();
    let client = Client::new(&settings.state, environment::user());
    loop {
        let owned = match try_undriven(settings, parts)? {
            Tried::Open(here) => return Ok(Way::Here(here)),
            Tried::Owned(error) => error,
        };
        if client.is_answered() {
            return Ok(Way::There(client));
        }
        // It is about to listen, or about to end.
        if began.elapsed().as_millis() > u128::from(PATIENCE.0) {
            return Err(owned);
        }
        std::thread::park_timeout(BETWEEN);
    }
}

fn read<T: DeserializeOwned>(sources: &Sources, ask: Ask) -> Result<T, Error> {
    answered(&sources.read(ask).map_err(|error| unreadable(&error))?)
}

fn answered<T: DeserializeOwned>(answer: &str) -> Result<T, Error> {
    serde_json::from_str(answer)
        .map_err(|error| Error::internal(format!("An answer is none: {error}.")))
}

fn unreadable(error: &NoAnswer) -> Error {
    Error::unavailable(format!("The state cannot be read: {error}."))
}

/// The owner did not answer.
pub(crate) fn gone(error: &ClientError) -> Error {
    Error::unavailable(format!("The state cannot be asked: {error}."))
}
