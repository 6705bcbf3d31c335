//! The arguments of the commands about backup sets, plans and repositories.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{InRepository, Limit};

/// `sets`.
#[derive(Debug, Args)]
pub(crate) struct Sets {
    /// Only sets of this target.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) in_repository: InRepository,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// `set`.
#[derive(Debug, Args)]
pub(crate) struct SetCommand {
    #[command(flatten)]
    pub(crate) in_repository: InRepository,
    #[command(subcommand)]
    pub(crate) what: SetWhat,
}

/// What of a set. A set is named by its id, or the beginning of it.
#[derive(Debug, Subcommand)]
pub(crate) enum SetWhat {
    /// Show what it is and what it does not have.
    Show {
        /// The set.
        set: String,
    },
    /// Print the content of one file.
    Cat {
        /// The set.
        set: String,
        /// The path, as `set diff` and `plan show` print it.
        path: String,
    },
    /// Say what changed from one set to another.
    Diff {
        /// The earlier set.
        from: String,
        /// The later one.
        to: String,
    },
    /// Read it back and name what is damaged; the result is written on the set.
    Verify {
        /// The set.
        set: String,
        /// How much of its content is read.
        #[arg(long, value_name = "PERCENT", default_value = "100%")]
        read: String,
    },
    /// Take away the sets that no rule keeps, of every target.
    Prune {
        /// Only say what would go, and why.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write it, or one path of it, as plain files, a tar archive or a JSON bundle.
    Export {
        /// The set.
        set: String,
        /// The folder, or the file of an archive or bundle.
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
        /// Only this path and what is in it.
        #[arg(long, value_name = "PATH")]
        only: Option<String>,
        /// The form.
        #[arg(long, value_name = "FORM", default_value = "files")]
        format: ExportForm,
    },
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// Plain files in a folder.
    Files,
    /// A tar archive.
    Tar,
    /// One JSON document.
    Json,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanCommand {
    #[command(subcommand)]
    pub(crate) what: PlanWhat,
}

/// What of a plan. A plan is named by its id, or the beginning of it.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanWhat {
    /// Make one: the workflow `files/preview` for a folder.
    Create {
        /// The target it is for.
        target: String,
        /// Whose set it starts from; the target's own unless given.
        #[arg(long, value_name = "TARGET")]
        from: Option<String>,
        /// The set; the newest complete one unless given.
        #[arg(long, value_name = "SET")]
        backup_set: Option<String>,
        /// Only this path and what is in it, or what a pattern matches. Repeat it for more.
        #[arg(long = "name", value_name = "PATH")]
        names: Vec<String>,
        /// Remove what the set does not have.
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        in_repository: InRepository,
    },
    /// Show what differs in each object that would be updated.
    Diff {
        /// The plan.
        plan: String,
        /// Only changes whose path starts with this.
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
    /// Show its changes in the order in which they are applied.
    Show {
        /// The plan.
        plan: String,
        /// Only changes whose path starts with this.
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
    },
}

/// `repository`.
#[derive(Debug, Args)]
pub(crate) struct RepositoryCommand {
    #[command(flatten)]
    pub(crate) in_repository: InRepository,
    #[command(subcommand)]
    pub(crate) what: RepositoryWhat,
}

/// What of the repository.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum RepositoryWhat {
    /// Make the repository that the configuration names.
    Init,
    /// Say what it holds and who works on it.
    Status,
    /// Remove lock files that restic left when it died.
    Unlock,
}
