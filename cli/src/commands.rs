//! The commands, one file each, and the one match from arguments to them.

mod actions;
mod demo;
mod doctor;
mod drive;
mod export;
mod init;
mod logs;
mod notifications;
mod outputs;
mod plan;
mod repository;
mod resolve;
mod retry;
mod runs;
mod set;
mod sets;
mod show;
mod submit;
mod unknown;
mod validate;

use std::process::ExitCode;

use holdfast_drive::output::Refusal;
use holdfast_journal::query::{Found, ReadError, Reader};
use holdfast_kernel::id::RunId;

use crate::arguments::{Arguments, Command};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Performs a command.
///
/// # Errors
/// It cannot do what it was asked.
pub(crate) fn perform(arguments: Arguments, output: Output) -> Result<ExitCode, Error> {
    let Arguments { shared, command } = arguments;
    let settings = || Settings::read(&shared, output);
    match command {
        Command::Validate(validate) => validate::perform(&validate, &settings()?, output),
        Command::Actions(actions) => actions::perform(&actions, &settings()?, output),
        Command::Run(submission) => drive::run(&submission, &settings()?, output),
        Command::Resume => drive::resume(&settings()?, output),
        Command::Submit(submission) => submit::perform(&submission, &settings()?, output),
        Command::Retry(run) => retry::perform(&run, &settings()?, output),
        Command::Resolve(resolve) => resolve::perform(&resolve, &settings()?, output),
        Command::Runs(runs) => runs::perform(&runs, &settings()?, output),
        Command::Show(show) => show::perform(&show, &settings()?, output),
        Command::Logs(run) => logs::perform(&run, &settings()?, output),
        Command::Notifications(limit) => notifications::perform(&limit, &settings()?, output),
        Command::Sets(sets) => sets::perform(&sets, &settings()?, output),
        Command::Set(set) => set::perform(&set.what, &settings()?, output),
        Command::Plan(plan) => plan::perform(&plan.what, &settings()?, output),
        Command::Repository(what) => repository::perform(what.what, &settings()?, output),
        Command::Init(init) => init::perform(&init, &shared, output),
        Command::Doctor => doctor::perform(&shared, output),
        Command::Demo(demo) => demo::perform(&demo, &shared, output),
        Command::Version => {
            output.line(concat!("holdfast ", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
        Command::Other(words) => Err(unknown::error(&words)),
    }
}

/// The run that an id, or the beginning of one, names.
fn find_run(reader: &Reader, text: &str) -> Result<RunId, Error> {
    match reader.find(text).map_err(|error| unreadable(&error))? {
        Found::One(run) => Ok(run),
        Found::None => Err(Error::usage(format!("There is no run `{text}`."))
            .hint("`holdfast runs` lists the runs of this state directory.")),
        Found::Several(runs) => {
            let error = Error::usage(format!("`{text}` is the beginning of several run ids."));
            Err(runs.iter().fold(error, |error, run| error.hint(run.to_string())))
        }
    }
}

/// The store cannot be read.
fn unreadable(error: &ReadError) -> Error {
    Error::unavailable(format!("The state cannot be read: {error}."))
}

/// A request was refused.
fn refused(what: &str, refusal: &Refusal) -> Error {
    let error = Error::rejected(format!("{what}: {refusal}."));
    match refusal {
        Refusal::OnlyUnknown | Refusal::NotUnknown => error
            .hint("`holdfast show RUN` lists what is in doubt, with the command that resolves it."),
        Refusal::KeyTaken(run) => error.hint(format!("`holdfast show {run}` shows it.")),
        Refusal::Active
        | Refusal::Sealed
        | Refusal::NothingToDo
        | Refusal::NoSuchRun
        | Refusal::Unreadable(_)
        | Refusal::Draining => error,
    }
}

/// What is unfinished, for commands that drive nothing.
fn tell_unfinished(unfinished: usize, output: Output) {
    match unfinished {
        0 => {}
        1 => output.talk("1 run is unfinished: `holdfast resume` goes on with it."),
        many => {
            output
                .talk(format!("{many} runs are unfinished: `holdfast resume` goes on with them."));
        }
    }
}
