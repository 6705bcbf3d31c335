//! `demo`: the whole story on a folder of its own. Everything it does is what the other commands do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdfast_kernel::status::Outcome;
use holdfast_kernel::value::Value;
use holdfast_runtime::chance;

use crate::arguments::{Demo, InRepository, Shared, Submission};
use crate::commands::{drive, init};
use crate::error::Error;
use crate::output::Output;
use crate::repository::write_new;
use crate::settings::{NAME, Settings};

/// How many letters there are.
const LETTERS: usize = 40;

/// The bytes of a photo.
const PHOTO: usize = 300_000;

/// Plays it.
///
/// # Errors
/// A part of it did not come out as it must.
pub(crate) fn perform(demo: &Demo, shared: &Shared, output: Output) -> Result<ExitCode, Error> {
    let folder = demo.folder.clone().unwrap_or_else(|| {
        let id: String = chance::instance_id().chars().rev().take(8).collect();
        std::env::temp_dir().join(format!("holdfast-demo-{id}"))
    });
    if folder.exists() {
        return Err(Error::usage(format!("{} is there already.", folder.display()))
            .hint("Name a folder that is not, or leave `--folder` out."));
    }
    let story = Story::new(&folder, shared, output)?;
    story.play()?;
    story.farewell();
    Ok(ExitCode::SUCCESS)
}

struct Story {
    folder: PathBuf,
    documents: PathBuf,
    settings: Settings,
    output: Output,
}

impl Story {
    /// A folder with documents, a configuration and a repository.
    fn new(folder: &Path, shared: &Shared, output: Output) -> Result<Self, Error> {
        output.talk("== A folder, and a place for its backups ==");
        let documents = folder.join("documents");
        write_documents(&documents).map_err(|error| unwritten(&documents, &error))?;
        init::write(folder, shared, output)?;
        let shared = Shared {
            config: Some(folder.join(NAME)),
            state: Some(folder.join("state")),
            ..shared.clone()
        };
        let settings = Settings::read(&shared, output)?;
        Ok(Self { folder: folder.to_owned(), documents, settings, output })
    }

    fn play(&self) -> Result<(), Error> {
        self.say("Backup: into an encrypted repository");
        self.run("files/backup", &["target=documents".to_owned(), "verify=true".to_owned()])?;
        let kept = fingerprint(&self.documents)?;

        self.say("Damage: letters are lost, one is overwritten, a folder is gone");
        self.damage().map_err(|error| unwritten(&self.documents, &error))?;

        self.say("Preview: what a restore would change, stored as a plan");
        let preview = self.run("files/preview", &["target=documents".to_owned()])?;
        let plan = preview.get("plan").and_then(|plan| plan.get("id")).and_then(Value::as_text);
        let plan = plan.ok_or_else(|| failed("The preview gave no plan."))?;

        self.say("Restore: exactly that plan");
        self.run("files/restore", &[format!("plan={plan}")])?;
        if fingerprint(&self.documents)? != kept {
            return Err(failed("The folder is not what it was before the damage."));
        }
        self.output.talk("Every file is what it was, byte for byte.");

        self.say("Verify: every byte of the backup set is read back");
        self.run("files/verify", &["target=documents".to_owned()])?;
        Ok(())
    }

    fn say(&self, line: &str) {
        self.output.talk(format!("\n== {line} =="));
    }

    /// Runs a workflow, which must succeed.
    fn run(&self, workflow: &str, inputs: &[String]) -> Result<Value, Error> {
        let submission = Submission {
            workflow: workflow.to_owned(),
            inputs: inputs.to_vec(),
            in_repository: InRepository::default(),
        };
        let completed = drive::complete(&submission, &self.settings, self.output)?;
        if completed.outcome != Some(Outcome::Succeeded) {
            return Err(failed(&format!("The run of {workflow} has not succeeded.")));
        }
        Ok(completed.outputs.unwrap_or(Value::None))
    }

    fn damage(&self) -> std::io::Result<()> {
        for number in (0..LETTERS).step_by(5) {
            fs::remove_file(self.documents.join(letter(number)))?;
        }
        let overwritten = self.documents.join(letter(1));
        fs::remove_file(&overwritten)?;
        write_new(&overwritten, "Your files have been encrypted. Pay to get them back.\n", 0o644)?;
        fs::remove_dir_all(self.documents.join("photos"))
    }

    fn farewell(&self) {
        let program = std::env::current_exe()
            .map_or_else(|_unknown| "holdfast".to_owned(), |path| path.display().to_string());
        self.output.talk(format!(
            "\nThat was the whole story. Try next:\n\
             \x20 cd {0} && export HOLDFAST_STATE={0}/state\n\
             \x20 {program} runs\n\
             \x20 {program} sets\n\
             \x20 {program} notifications\n\
             \x20 {program} doctor\n\
             \x20 {program} run files/preview --input target=documents",
            self.folder.display()
        ));
    }
}

fn failed(message: &str) -> Error {
    Error::internal(message)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be written: {error}.", path.display()))
}

fn letter(number: usize) -> String {
    format!("letters/{:02}/letter-{number:02}.txt", number % 4)
}

fn write_documents(documents: &Path) -> std::io::Result<()> {
    for number in 0..LETTERS {
        let path = documents.join(letter(number));
        fs::create_dir_all(path.parent().unwrap_or(documents))?;
        let text = format!("Letter number {number}.\n").repeat(20 + number);
        write_new(&path, &text, 0o640)?;
    }
    fs::create_dir_all(documents.join("photos/summer"))?;
    for number in 0..3 {
        let text: Vec<String> =
            (0..PHOTO / 8).map(|at| format!("{:08x}", noise(number, at))).collect();
        let text = text.concat();
        write_new(&documents.join(format!("photos/summer/{number}.raw")), &text, 0o644)?;
    }
    fs::create_dir_all(documents.join("empty folder"))?;
    symlink("letters/00/letter-00.txt", documents.join("first letter"))?;
    fs::hard_link(documents.join(letter(2)), documents.join("the same letter.txt"))
}

/// Numbers that do not compress to nothing.
fn noise(seed: usize, at: usize) -> u32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed as u64) << 32;
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    u32::try_from(mixed >> 32).unwrap_or(0)
}

/// Every path below a folder with what stands there.
fn fingerprint(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let unreadable = |error: std::io::Error| unwritten(folder, &error);
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let metadata = path.symlink_metadata().map_err(unreadable)?;
            let content = if metadata.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).map_err(unreadable)?;
                target.into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).map_err(unreadable)?
            };
            found.push((path, content));
        }
    }
    found.sort();
    Ok(found)
}
