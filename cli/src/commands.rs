//! The commands, one file each, and the one match from arguments to them.

mod ack;
mod actions;
mod answer;
mod cancel;
mod changed;
mod channels;
mod completions;
mod demo;
mod doctor;
mod drive;
mod explain;
mod export;
mod graph;
mod init;
mod logs;
mod metrics;
mod notifications;
mod outputs;
mod place;
mod plan;
mod repository;
mod rerun;
mod resolve;
mod retry;
mod runs;
mod schedules;
mod schema;
mod serve;
mod set;
mod sets;
mod show;
pub(crate) mod state;
mod status;
mod submit;
mod targets;
mod ticks;
mod unknown;
mod validate;
pub(crate) mod waits;
mod watch;

use std::process::ExitCode;

use holdfast_drive::output::Refusal;
use holdfast_kernel::event::CancelKind;

use crate::arguments::{Arguments, Command, Form};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Performs a command.
///
/// # Errors
/// It cannot do what it was asked.
pub(crate) fn perform(arguments: Arguments, output: Output) -> Result<ExitCode, Error> {
    let Arguments { shared, command } = arguments;
    if shared.output == Form::Prometheus && !matches!(command, Command::Metrics) {
        return Err(Error::usage("`--output prometheus` is only for `holdfast metrics`.")
            .hint("`--output json` is for programs."));
    }
    let settings = || Settings::read(&shared, output);
    match command {
        Command::Validate(validate) => validate::perform(&validate, &settings()?, output),
        Command::Explain(explain) => explain::perform(&explain, &settings()?, output),
        Command::Graph(graph) => graph::perform(&graph, &settings()?, output),
        Command::Schema(schema) => schema::perform(&schema, &settings()?, output),
        Command::Completions(shell) => completions::perform(&shell, output),
        Command::Actions(actions) => actions::perform(&actions, &settings()?, output),
        Command::Run(submission) => drive::run(&submission, &settings()?, output),
        Command::Serve => serve::perform(&shared, output),
        Command::Pause(pause) => schedules::pause(&pause, &settings()?, output),
        Command::Unpause(unpause) => schedules::unpause(&unpause, &settings()?, output),
        Command::Schedules(what) => schedules::perform(&what, &settings()?, output),
        Command::Ticks(what) => ticks::perform(&what, &settings()?, output),
        Command::Resume => drive::resume(&settings()?, output),
        Command::Submit(submission) => submit::perform(&submission, &settings()?, output),
        Command::Retry(retry) => retry::perform(&retry, &settings()?, output),
        Command::Rerun(rerun) => rerun::perform(&rerun, &settings()?, output),
        Command::Cancel(run) => cancel::perform(&run, CancelKind::Cancel, &settings()?, output),
        Command::Kill(run) => cancel::perform(&run, CancelKind::Kill, &settings()?, output),
        Command::Approve(approve) => answer::approve(&approve, &settings()?, output),
        Command::Reject(reject) => answer::reject(&reject, &settings()?, output),
        Command::Watch(run) => watch::perform(&run, &settings()?, output),
        Command::Resolve(resolve) => resolve::perform(&resolve, &settings()?, output),
        Command::Status => status::perform(&settings()?, output),
        Command::Metrics => metrics::perform(&settings()?, output),
        Command::Targets => targets::perform(&settings()?, output),
        Command::Runs(runs) => runs::perform(&runs, &settings()?, output),
        Command::Show(show) => show::perform(&show, &settings()?, output),
        Command::Logs(logs) => logs::perform(&logs, &settings()?, output),
        Command::Notifications(what) => notifications::perform(&what, &settings()?, output),
        Command::Ack(ack) => ack::perform(&ack, &settings()?, output),
        Command::Sets(sets) => sets::perform(&sets, &settings()?, output),
        Command::Set(set) => set::perform(set, &settings()?, output),
        Command::Plan(plan) => plan::perform(&plan.what, &settings()?, output),
        Command::Repository(what) => repository::perform(&what, &settings()?, output),
        Command::State(state) => state::perform(&state.what, &settings()?, output),
        Command::Init(init) => init::perform(&init, &shared, output),
        Command::Doctor => doctor::perform(&shared, output),
        Command::Demo(demo) => demo::perform(&demo, &shared, output),
        Command::Version => version(output),
        Command::Other(words) => Err(unknown::error(&words)),
    }
}

/// A request was refused.
fn refused(what: &str, refusal: &Refusal) -> Error {
    let error = Error::rejected(format!("{what}: {refusal}."));
    match refusal {
        Refusal::OnlyUnknown | Refusal::NotUnknown => error
            .hint("`holdfast show RUN` lists what is in doubt, with the command that resolves it."),
        Refusal::KeyTaken(run) => error.hint(format!("`holdfast show {run}` shows it.")),
        Refusal::OtherInputs(run) | Refusal::GroupFull { run, .. } => {
            error.hint(format!("`holdfast show {run}` shows it."))
        }
        Refusal::Active
        | Refusal::Ended
        | Refusal::NotAsked
        | Refusal::NotForYou(_)
        | Refusal::NothingToDo
        | Refusal::NoSuchRun
        | Refusal::NoSuchSchedule
        | Refusal::Decided
        | Refusal::Unreadable(_)
        | Refusal::Invalid(_)
        | Refusal::Draining => error,
    }
}

fn version(output: Output) -> Result<ExitCode, Error> {
    let version = env!("CARGO_PKG_VERSION");
    if output.is_json() {
        output.json(&serde_json::json!({ "name": "holdfast", "version": version }))?;
    } else {
        output.line(format!("holdfast {version}"));
    }
    Ok(ExitCode::SUCCESS)
}
