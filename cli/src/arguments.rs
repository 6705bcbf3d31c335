//! The arguments of every command, with their help.

mod backup_sets;
mod inbox;
mod schedules;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use backup_sets::{
    ExportForm, PlanCommand, PlanWhat, RepositoryCommand, RepositoryWhat, SetCommand, SetWhat, Sets,
};

pub(crate) use inbox::{Ack, Notifications};

pub(crate) use schedules::{
    Pause, SchedulesCommand, SchedulesWhat, TicksCommand, TicksWhat, Unpause,
};

/// Backs up, previews and restores, by durable workflows.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shared {
    /// The configuration; found upwards from the working directory as `holdfast.yaml` unless given.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The state directory; `$XDG_STATE_HOME/holdfast` unless given.
    #[arg(long, global = true, value_name = "DIR", env = "HOLDFAST_STATE", hide_env_values = true)]
    pub(crate) state: Option<PathBuf>,
    /// How data is printed.
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// As Prometheus reads it; only of `metrics`, which prints it instead of text.
    Prometheus,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check workflow files: every mistake at once, with its place and remedy.
    #[command(after_help = "Example:\n  holdfast validate workflows/nightly.yaml")]
    Validate(Validate),
    /// Say what a workflow does, every default filled in: order, effects, what is written where.
    #[command(after_help = "Example:\n  holdfast explain files/backup")]
    Explain(Explain),
    /// Draw which step runs after which.
    #[command(after_help = "Example:\n  holdfast graph files/backup --format mermaid")]
    Graph(Graph),
    /// Print the JSON Schema of workflows, or of the configuration, for an editor.
    #[command(
        after_help = "Example:\n  holdfast schema\n\nAn editor finds it by the first line of a \
                            workflow:\n  # yaml-language-server: $schema=./holdfast-workflow.schema.json"
    )]
    Schema(Schema),
    /// List the actions a step can use, or show one.
    #[command(after_help = "Example:\n  holdfast actions command")]
    Actions(Actions),
    /// Run a workflow in the foreground, and every run that is unfinished beside it.
    #[command(
        after_help = "Example:\n  holdfast run nightly --input target=documents\n\nThe exit code is the status: \
                            0 succeeded, 3 partial, 1 failed, 4 cancelled. Ctrl-C lets what is in flight end, and a \
                            second one stops at once; `holdfast resume` goes on."
    )]
    Run(Submission),
    /// Store a run without driving it, and return at once.
    #[command(after_help = "Example:\n  holdfast submit nightly --input target=documents")]
    Submit(Submission),
    /// Drive runs and wait for the ticks of schedules, until a signal ends it.
    #[command(
        after_help = "Example:\n  holdfast serve\n\nSIGTERM or Ctrl-C lets what is in flight end, a second one stops at \
                            once; SIGHUP reads configuration and workflows anew, as a change of the files does."
    )]
    Serve,
    /// Let nothing start any more: no attempt and no tick, or no tick of one schedule.
    #[command(after_help = "Example:\n  holdfast pause nightly:backup")]
    Pause(Pause),
    /// Let everything go on, or one schedule.
    #[command(after_help = "Example:\n  holdfast unpause nightly:backup --catch-up")]
    Unpause(Unpause),
    /// List schedules, say when their next ticks are, or forget one whose file is gone.
    #[command(after_help = "Example:\n  holdfast schedules next --count 3")]
    Schedules(SchedulesCommand),
    /// List what was decided about ticks, or start the run of one by hand.
    #[command(after_help = "Example:\n  holdfast ticks --schedule nightly:backup --since 7d")]
    Ticks(TicksCommand),
    /// Drive every unfinished run until none is left.
    #[command(after_help = "Example:\n  holdfast resume")]
    Resume,
    /// Let a run that ended go on: everything in it that is not ok runs again.
    #[command(
        after_help = "Example:\n  holdfast retry run_0199\n\nThe beginning of a run's id is enough."
    )]
    Retry(Retry),
    /// Start a run like an earlier one, linked to it.
    #[command(
        after_help = "Example:\n  holdfast rerun run_0199 --set verify=true\n\nThe workflow is the one the earlier \
                            run was pinned to; `--latest` takes its file as it is now."
    )]
    Rerun(Rerun),
    /// Let a run end: nothing more starts, what is in flight is settled, then its `finally` runs.
    #[command(
        after_help = "Example:\n  holdfast cancel run_0199\n\nA second cancel stops its `finally` too."
    )]
    Cancel(Run),
    /// End a run at once: nothing in flight is waited for, and its `finally` does not run.
    #[command(after_help = "Example:\n  holdfast kill run_0199")]
    Kill(Run),
    /// Say yes to what a run asks, or to a plan.
    #[command(after_help = "Example:\n  holdfast approve run_0199 ask --comment 'as discussed'")]
    Approve(Approve),
    /// Say no to what a run asks, or to a plan.
    #[command(after_help = "Example:\n  holdfast reject run_0199 ask --reason 'not before Monday'")]
    Reject(Reject),
    /// Follow a run until it ends.
    #[command(
        after_help = "Example:\n  holdfast watch run_0199\n\nThe exit code is the status of the run. Ctrl-C stops \
                            watching; the run goes on."
    )]
    Watch(Run),
    /// Say whether an effect in doubt happened.
    #[command(
        after_help = "Example:\n  holdfast resolve run_0199 create done\n\nHave a look at the target first: \
                            holdfast believes what you say."
    )]
    Resolve(Resolve),
    /// Say what runs and what it waits for, whose word is needed, and how old the last good sets are.
    #[command(after_help = "Example:\n  holdfast status")]
    Status,
    /// Print numbers about runs, schedules, channels and disks, as Prometheus reads them.
    #[command(
        after_help = "Example:\n  holdfast metrics --output prometheus\n\n`holdfast serve` writes them to \
                            `service.metrics_file` every minute. `--output json` prints the same as JSON."
    )]
    Metrics,
    /// List the targets of the configuration.
    #[command(after_help = "Example:\n  holdfast targets")]
    Targets,
    /// List runs, the latest first.
    #[command(after_help = "Example:\n  holdfast runs --status failed --limit 5")]
    Runs(Runs),
    /// Show a run: its steps, its items that are not ok, and the command to go on.
    #[command(after_help = "Example:\n  holdfast show run_0199 --step capture")]
    Show(Show),
    /// Print what a run's attempts said.
    #[command(after_help = "Example:\n  holdfast logs run_0199")]
    Logs(Logs),
    /// List what was stored for people to see: changes of runs' statuses, questions, schedules; the latest first.
    #[command(after_help = "Example:\n  holdfast notifications --unread")]
    Notifications(Notifications),
    /// Acknowledge notifications: they are not unread any more.
    #[command(after_help = "Example:\n  holdfast ack 17 18\n  holdfast ack --all")]
    Ack(Ack),
    /// List the backup sets of the repository, the latest first.
    #[command(after_help = "Example:\n  holdfast sets --target documents")]
    Sets(Sets),
    /// Look into a backup set: show, cat, diff, verify, export.
    #[command(after_help = "Example:\n  holdfast set cat set_0123 letters/a.txt")]
    Set(SetCommand),
    /// Look at a plan.
    #[command(after_help = "Example:\n  holdfast plan show plan_0123")]
    Plan(PlanCommand),
    /// Make or look at the repository.
    #[command(after_help = "Example:\n  holdfast repository status")]
    Repository(RepositoryCommand),
    /// Export what the state directory keeps, or let it forget what is old.
    #[command(after_help = "Example:\n  holdfast state prune --older-than 90d --dry-run")]
    State(StateCommand),
    /// Write a configuration, workflows and a key into an empty folder.
    #[command(after_help = "Example:\n  holdfast init")]
    Init(Init),
    /// Say what is missing: configuration, state, repository, targets.
    #[command(after_help = "Example:\n  holdfast doctor")]
    Doctor,
    /// Show the whole story on a folder of its own: backup, damage, preview, restore, verify.
    #[command(after_help = "Example:\n  holdfast demo")]
    Demo(Demo),
    /// Print what a shell needs to complete this command line.
    #[command(after_help = "Example:
  holdfast completions bash

For one session: source <(holdfast completions bash)")]
    Completions(Completions),
    /// Print the version.
    Version,
    /// A command that is not there, or not yet.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The files; every workflow beside the configuration unless given.
    pub(crate) files: Vec<PathBuf>,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A file, or the name of a workflow.
    pub(crate) workflow: String,
}

/// `graph`.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A file, or the name of a workflow.
    pub(crate) workflow: String,
    /// The form.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: GraphForm,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphForm {
    /// Lines for people.
    Text,
    /// A Mermaid flowchart.
    Mermaid,
}

/// `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of what.
    #[arg(value_name = "OF", default_value = "workflow")]
    pub(crate) of: SchemaOf,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Workflows.
    Workflow,
    /// `holdfast.yaml`.
    Configuration,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: ShellName,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellName {
    /// Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// `PowerShell`.
    Powershell,
    /// Zsh.
    Zsh,
}

/// `actions`.
#[derive(Debug, Args)]
pub(crate) struct Actions {
    /// The action to show.
    pub(crate) name: Option<String>,
}

/// A workflow with its inputs.
#[derive(Debug, Args)]
pub(crate) struct Submission {
    /// A file, or the name of a workflow in `workflows/` beside the configuration.
    pub(crate) workflow: String,
    /// An input, as NAME=VALUE; VALUE is read by the declared type, `@FILE` from a file. Repeat it for more.
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) in_repository: InRepository,
}

/// Which repository.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InRepository {
    /// One of the configuration's `repositories`; the one named `default` unless given.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) repository: Option<String>,
}

/// A run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Its id, or the beginning of it.
    pub(crate) run: String,
}

/// `retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The run's id, or the beginning of it.
    pub(crate) run: String,
    /// Only what is not ok of this step, and what follows it.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Only this item of the step.
    #[arg(long, value_name = "KEY", requires = "step")]
    pub(crate) item: Option<String>,
    /// Show what would run again, and do nothing.
    #[arg(long)]
    pub(crate) dry: bool,
}

/// `rerun`.
#[derive(Debug, Args)]
pub(crate) struct Rerun {
    /// The run's id, or the beginning of it.
    pub(crate) run: String,
    /// An input that is to be another, as NAME=VALUE. Repeat it for more.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Take the workflow's file as it is now.
    #[arg(long)]
    pub(crate) latest: bool,
}

/// `approve`.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The id of the run or the plan, or the beginning of it.
    #[arg(value_name = "RUN|PLAN")]
    pub(crate) of: String,
    /// The step that asks; needed if several do.
    pub(crate) step: Option<String>,
    /// The item's key if the step fans out.
    pub(crate) item: Option<String>,
    /// What is to be kept with the answer.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
}

/// `reject`.
#[derive(Debug, Args)]
pub(crate) struct Reject {
    /// The id of the run or the plan, or the beginning of it.
    #[arg(value_name = "RUN|PLAN")]
    pub(crate) of: String,
    /// The step that asks; needed if several do.
    pub(crate) step: Option<String>,
    /// The item's key if the step fans out.
    pub(crate) item: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run's id, or the beginning of it.
    pub(crate) run: String,
    /// Go on with what is said until the run ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// `resolve`.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The run's id, or the beginning of it.
    pub(crate) run: String,
    /// The step.
    pub(crate) step: String,
    /// The item's key if the step fans out, and then what happened: `done` or `not_done`.
    #[arg(required = true, num_args = 1..=2, value_name = "[ITEM] done|not_done")]
    pub(crate) rest: Vec<String>,
    /// What the step returned, as JSON, if it was done.
    #[arg(long = "result", value_name = "JSON")]
    pub(crate) result: Option<String>,
}

/// `runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Only runs of this status: queued, running, succeeded, partial, failed. Repeat it for more.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<String>,
    /// Only runs that failed for this reason: `cancelled`, `timeout`, `queue_timeout`, `step_failed`, `internal`.
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// Only runs of this workflow.
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only runs on this target.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Only runs submitted in the last time, for example `24h` or `7d`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// `state`.
#[derive(Debug, Args)]
pub(crate) struct StateCommand {
    #[command(subcommand)]
    pub(crate) what: StateWhat,
}

/// What of the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateWhat {
    /// Print everything it keeps, a JSON document a line: table, key, row.
    Export {
        /// The file; standard output unless given.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Let it forget runs that ended long ago and that nothing needs any more.
    Prune {
        /// How long ago, for example `90d`; otherwise what the configuration says under `state`.
        #[arg(long, value_name = "DURATION")]
        older_than: Option<String>,
        /// Only say which runs would go.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; the working directory unless given.
    pub(crate) folder: Option<PathBuf>,
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder it is played in, which must not be there yet; one of its own unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

/// How many rows.
#[derive(Debug, Args)]
pub(crate) struct Limit {
    /// The most rows.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: usize,
}

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run's id, or the beginning of it.
    pub(crate) run: String,
    /// Show this step with its items.
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Show this item of the step.
    #[arg(long, value_name = "KEY", requires = "step")]
    pub(crate) item: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_help_of_every_command_is_as_it_was() {
        let mut texts = String::new();
        let mut open = vec![("holdfast".to_owned(), Arguments::command())];
        while let Some((name, mut command)) = open.pop() {
            let help = command.clone().term_width(100).render_long_help();
            texts.extend(["$ ", &name, " --help\n", &help.to_string(), "\n"]);
            command.build();
            let mut inner: Vec<_> = command.get_subcommands().cloned().collect();
            inner.reverse();
            open.extend(
                inner.into_iter().map(|inner| (format!("{name} {}", inner.get_name()), inner)),
            );
        }
        insta::assert_snapshot!("help", texts);
    }

    #[test]
    fn every_command_line_of_the_page_parses() {
        let page = include_str!("../../docs/cli.md");
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("holdfast ")).collect();
        assert!(lines.len() > 10, "the page has command lines: {lines:?}");
        for line in lines {
            let words = words(line);
            let parsed =
                Arguments::try_parse_from(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(
                !matches!(parsed.command, Command::Other(_)),
                "{line} is no command of this version"
            );
        }
    }

    /// The words of a line without a shell: single quotes keep spaces.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        parts.fold(Vec::new(), |mut words, (place, part)| {
            if place % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
            words
        })
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        for command in
            Arguments::command().get_subcommands().filter(|command| command.get_name() != "version")
        {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = help.lines().find_map(|line| line.trim().strip_prefix("holdfast "));
            let example =
                example.unwrap_or_else(|| panic!("`{}` has no example", command.get_name()));
            Arguments::try_parse_from(words(&format!("holdfast {example}")))
                .unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}
