//! `backup_set.export`: writes a set as plain files, a tar archive or a JSON bundle, beneath an allowed folder.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::entry::unshown;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use holdfast_repository::export::{Extras, Format, lines};
use holdfast_repository::unit::FILES;

use crate::input::{boolean, reference_id, text, texts};
use crate::repositories::{Repositories, permit, set_id};

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.export",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Local,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::required("backup_set", Shape::BackupSet, "The set."),
        Field::required(
            "to",
            Shape::String,
            "The folder, or the file of an archive or bundle: an absolute path beneath a folder of `allow.exports`.",
        ),
        Field::optional("format", Shape::Word(&["files", "tar", "json"]), "`files` unless given."),
        Field::optional(
            "mirror",
            Shape::Boolean,
            "Whether what the set does not have is removed from the folder, which must be an earlier export or empty; false unless given.",
        ),
        Field::optional(
            "paths",
            Shape::List(&Shape::String),
            "Only these paths from the root of a file tree, and what is in them.",
        ),
    ],
    outputs: &[
        Field::required("path", Shape::String, "Where it is."),
        Field::required("files", Shape::Integer, "How many files of the set are there."),
        Field::required(
            "changed",
            Shape::Integer,
            "How many files were written: the others were there already.",
        ),
        Field::required("deleted", Shape::Integer, "How many entries were removed."),
    ],
    summary: "Writes a backup set as files of this machine.",
    remarks: "Files that are there are replaced. What could not be written whole is in the log, and makes the step partial. \
              `mirror` and the JSON form are for whole sets; a partial set is no mirror.",
    example: "- id: open\n  uses: backup_set.open\n- id: export\n  uses: backup_set.export\n  with: { backup_set: \"{{ steps.open.output.backup_set }}\", to: /srv/exports/documents, mirror: true }\n",
};

/// The action.
pub struct Export {
    repositories: Arc<Repositories>,
    roots: Vec<PathBuf>,
    /// Where nothing is exported: the state, the repositories, the targets.
    never: Vec<PathBuf>,
}

/// What is to be exported, and how.
struct Wanted {
    to: PathBuf,
    format: Format,
    extras: Extras,
    /// Paths in the set; one that is empty is all of it.
    paths: Vec<Vec<u8>>,
}

impl Export {
    /// Of sets in these repositories, to places beneath the folders of `roots` that have nothing to do with `never`.
    pub fn new(repositories: Arc<Repositories>, roots: Vec<PathBuf>, never: Vec<PathBuf>) -> Self {
        Self { repositories, roots, never }
    }

    fn wanted(&self, with: &Value) -> Result<Wanted, Failure> {
        let invalid = |message: String| Err(Failure::without_effect(Class::Invalid, message));
        let format = match text(with, "format")?.as_deref() {
            Some("tar") => Format::Tar,
            Some("json") => Format::Json,
            Some(_) | None => Format::Files,
        };
        let mirror = boolean(with, "mirror")?.unwrap_or(false);
        let paths = paths(&texts(with, "paths")?)?;
        let is_whole = paths.iter().all(Vec::is_empty);
        if mirror && (format != Format::Files || !is_whole) {
            return invalid("`mirror` is for a whole set as files".to_owned());
        }
        if format == Format::Json && !is_whole {
            return invalid("a JSON bundle has a whole set: leave `paths` out".to_owned());
        }
        if format == Format::Tar && paths.len() > 1 {
            return invalid("an archive has one of `paths`, or all of the set".to_owned());
        }
        let to = text(with, "to")?.unwrap_or_default();
        let to = allowed(&self.roots, &self.never, Path::new(&to))?;
        let extras = if mirror { Extras::Remove } else { Extras::Keep };
        Ok(Wanted { to, format, extras, paths })
    }
}

#[async_trait]
impl Action for Export {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let id = set_id(&reference_id(&input.with, "backup_set")?.unwrap_or_default())?;
        let wanted = self.wanted(&input.with)?;
        let (repository, at, permit) =
            (self.repositories.of(attempt), attempt.clone(), permit(attempt));
        let exported = attempt
            .blocking(move || {
                let Wanted { to, format, extras, paths } = wanted;
                let repository = repository.get()?;
                let exported = repository.export_as(&id, &to, (format, extras), &paths, &permit)?;
                for line in lines(&exported.left_out) {
                    at.log(&format!("left out: {line}"));
                }
                Ok((exported, to))
            })
            .await?;
        let (exported, to) = exported;
        let value = Value::from([
            ("path", Value::Text(to.to_string_lossy().into_owned())),
            ("files", Value::from(exported.counts.files)),
            ("changed", Value::from(exported.changed)),
            ("deleted", Value::from(exported.deleted)),
        ]);
        let is_whole = exported.left_out.is_empty();
        Ok(if is_whole { Output::whole(value) } else { Output::partial(value) })
    }
}

/// Paths as people write them, as they stand in a set; all of it if there are none.
fn paths(texts: &[String]) -> Result<Vec<Vec<u8>>, Failure> {
    if texts.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let path = |text: &String| {
        let path = unshown(text.trim_matches('/')).filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| {
            Failure::without_effect(Class::Invalid, format!("`{text}` of `paths` is no path"))
        })?;
        Ok([FILES.as_bytes(), b"/", &path].concat())
    };
    texts.iter().map(path).collect()
}

/// A place that the configuration allows: where it leads to once links are followed, strictly beneath a folder, and
/// away from `never`.
///
/// # Errors
/// It is none, and why.
pub fn allowed(roots: &[PathBuf], never: &[PathBuf], to: &Path) -> Result<PathBuf, Failure> {
    let refused = |message: String| Err(Failure::without_effect(Class::Auth, message));
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !to.is_absolute() || !to.components().all(is_plain) {
        return refused(format!(
            "`to` must be an absolute path without `..`, it is `{}`",
            to.display()
        ));
    }
    let real = real(to);
    let meets = |kept: &&PathBuf| {
        let kept = kept.canonicalize().unwrap_or_else(|_| (*kept).clone());
        kept.starts_with(&real) || real.starts_with(&kept)
    };
    if let Some(kept) = never.iter().find(meets) {
        return refused(format!(
            "nothing may be exported to {}: {} is a target, or what holdfast keeps for itself",
            to.display(),
            kept.display()
        ));
    }
    let beneath = |root: &PathBuf| {
        let root = root.canonicalize().unwrap_or_else(|_| root.clone());
        real != root && real.starts_with(&root)
    };
    if roots.iter().any(beneath) {
        return Ok(real);
    }
    refused(format!(
        "nothing may be exported to {}: add a folder that it lies in to `allow.exports` in the configuration",
        to.display()
    ))
}

/// A path with the links followed of as much of it as is there.
fn real(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            // Joining nothing would leave a slash at the end.
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn exports_stay_beneath_the_folders_that_are_allowed() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (root, outside) = (home.join("exports"), home.join("outside"));
        std::fs::create_dir_all(root.join("there")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        symlink(&outside, root.join("link")).unwrap();
        let roots = vec![root.clone()];
        let check = |to: PathBuf, expect: Option<PathBuf>| {
            let never = [root.join("kept/inner")];
            assert_eq!(allowed(&roots, &never, &to).ok(), expect, "{}", to.display());
        };
        check(root.join("kept"), None);
        check(root.join("kept/inner/deep"), None);
        check(root.join("kept/other"), Some(root.join("kept/other")));
        check(root.join("new/deep"), Some(root.join("new/deep")));
        check(root.join("there"), Some(root.join("there")));
        check(root.clone(), None);
        check(root.join("link"), None);
        check(root.join("link/in"), None);
        check(root.join("../outside"), None);
        check(outside.join("x"), None);
        check(PathBuf::from("exports/x"), None);
        assert!(allowed(&[], &[], &root.join("x")).is_err());
    }
}
