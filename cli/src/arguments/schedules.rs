//! The arguments of what is done with schedules and their ticks.

use clap::{Args, Subcommand};

/// `schedules`.
#[derive(Debug, Args)]
pub(crate) struct SchedulesCommand {
    #[command(subcommand)]
    pub(crate) what: Option<SchedulesWhat>,
}

/// What is done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesWhat {
    /// Say when the next ticks are, in the zone of each schedule.
    #[command(after_help = "Example:\n  holdfast schedules next --count 3")]
    Next {
        /// Only of this schedule: `WORKFLOW:ID`, or one of the two if that is clear.
        schedule: Option<String>,
        /// How many of each.
        #[arg(long, value_name = "NUMBER", default_value_t = 5,
              value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Wait no more for a schedule whose file is gone.
    #[command(after_help = "Example:\n  holdfast schedules forget nightly:backup")]
    Forget {
        /// The schedule: `WORKFLOW:ID`, or one of the two if that is clear.
        schedule: String,
    },
}

/// `ticks`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TicksCommand {
    #[command(subcommand)]
    pub(crate) what: Option<TicksWhat>,
    /// Only of this schedule: `WORKFLOW:ID`, or one of the two if that is clear.
    #[arg(long)]
    pub(crate) schedule: Option<String>,
    /// Only those decided so long ago at most, such as `7d`, or since a date.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// How many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// What is done with ticks.
#[derive(Debug, Subcommand)]
pub(crate) enum TicksWhat {
    /// Start the run of a tick by hand, or of every tick of a period, one run after the other.
    #[command(
        after_help = "Example:\n  holdfast ticks run nightly:backup --since 3d\n\nWithout a period it is the last \
                            tick, whatever was decided about it."
    )]
    Run {
        /// The schedule: `WORKFLOW:ID`, or one of the two if that is clear.
        schedule: String,
        /// The ticks since then: so long ago, such as `3d`, or since a date.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// The ticks until then; now unless given.
        #[arg(long, value_name = "TIME", requires = "since")]
        until: Option<String>,
        /// Only say which they are.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The schedule: `WORKFLOW:ID`, or one of the two if that is clear; everything unless given.
    pub(crate) schedule: Option<String>,
}

/// `unpause`.
#[derive(Debug, Args)]
pub(crate) struct Unpause {
    /// The schedule: `WORKFLOW:ID`, or one of the two if that is clear; everything unless given.
    pub(crate) schedule: Option<String>,
    /// Start the run of the last tick that was skipped because of the pause.
    #[arg(long, requires = "schedule")]
    pub(crate) catch_up: bool,
}
