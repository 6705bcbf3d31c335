//! `command`: executes a program of the allow-list, without a shell.
//!
//! The environment is what the step gives and a plain `PATH`. The program leads a process group of its own, so a
//! cancel reaches what it started. A non-zero exit is the author's word that nothing happened; death by a signal
//! and a cancel are not.

#![expect(clippy::disallowed_methods, reason = "this is the door to processes")]

use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::list::{MARK, has_mark};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};

use crate::allow::AllowedCommands;
use crate::command_output::drain;
use crate::input::{integers, text, texts};

/// The search path that programs are given.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a cancelled program has after SIGTERM before SIGKILL.
const KILL_AFTER: Millis = Millis::seconds(20);

static SPEC: ActionSpec = ActionSpec {
    name: "command",
    version: 1,
    effect: EffectClass::Once,
    writes: Writes::Target,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Taken,
    item: ItemUse::None,
    inputs: &[
        Field::required("argv", Shape::List(&Shape::String), "The program and its arguments."),
        Field::optional("cwd", Shape::String, "The working directory; `/` unless given."),
        Field::optional("stdin", Shape::Text, "What the program reads.").with_secrets(),
        Field::optional(
            "ok_exit_codes",
            Shape::List(&Shape::Integer),
            "Exit codes that are success; 0 unless given.",
        ),
        Field::optional(
            "transient_exit_codes",
            Shape::List(&Shape::Integer),
            "Exit codes that are worth another attempt.",
        ),
        Field::optional(
            "parse",
            Shape::Word(&["text", "json"]),
            "`json`: standard output is read as JSON.",
        ),
    ],
    outputs: &[
        Field::required("exit_code", Shape::Integer, "The exit code."),
        Field::required("stdout", Shape::Text, "The last 64 KiB of standard output."),
        Field::required("stderr", Shape::Text, "The last 64 KiB of standard error."),
        Field::optional("json", Shape::Any, "Standard output, with `parse: json`."),
    ],
    summary: "Executes a program, without a shell.",
    remarks: "The program must be on the configuration's allow-list. `effect: idempotent` on the step promises that \
              repeating it is harmless; otherwise an interrupted command is never repeated, and a person says what happened.",
    example: "- id: vacuum\n  uses: command\n  effect: idempotent\n  with: { argv: [/usr/bin/psql, -c, VACUUM] }\n",
};

/// The action.
#[derive(Clone, Debug)]
pub struct Command {
    allowed: AllowedCommands,
}

impl Command {
    /// The action, with the programs it may execute.
    pub const fn new(allowed: AllowedCommands) -> Self {
        Self { allowed }
    }

    fn start(&self, input: &Input, argv: &[String]) -> Result<Child, Failure> {
        let invalid = |message: String| Failure::without_effect(Class::Invalid, message);
        let (program, arguments) =
            argv.split_first().ok_or_else(|| invalid("`argv` is empty".to_owned()))?;
        let path = self.allowed.path(program)?;
        let directory = text(&input.with, "cwd")?.unwrap_or_else(|| "/".to_owned());
        let mut command = tokio::process::Command::new(path);
        command
            .args(arguments)
            .current_dir(&directory)
            .env_clear()
            .env("PATH", PATH)
            .envs(input.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|error| {
            invalid(format!("cannot execute {} in {directory}: {error}", path.display()))
        })
    }
}

#[async_trait]
impl Action for Command {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let argv = texts(&input.with, "argv")?;
        let stdin = text(&input.with, "stdin")?.unwrap_or_default();
        let codes = Codes::of(&input.with)?;
        attempt.permit()?;
        let mut child = self.start(input, &argv)?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let feed = feed(child.stdin.take(), &stdin);
        let pipes = async {
            tokio::join!(drain(stdout, "stdout", attempt), drain(stderr, "stderr", attempt), feed)
        };
        let (status, (stdout, stderr, ())) = group.until(pipes, &mut child, attempt).await;
        let (stdout, is_cut) = stdout.text();
        let (stderr, _) = stderr.text();
        let status = status.map_err(|error| {
            let message = format!("cannot wait for the program: {error}");
            Failure::with_unknown_effect(Class::Permanent, message)
        })?;
        let code = codes.judge(status, &stderr)?;
        let mut output =
            vec![("exit_code", Value::Integer(i128::from(code))), ("stderr", Value::Text(stderr))];
        if text(&input.with, "parse")?.as_deref() == Some("json") {
            output.push(("json", parse(&stdout, is_cut)?));
        }
        output.push(("stdout", Value::Text(stdout)));
        let map = output.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Output::whole(Value::Map(map)))
    }
}

/// Writes what the program reads; a program that does not read it all is free not to.
async fn feed(stdin: Option<ChildStdin>, text: &str) {
    let Some(mut stdin) = stdin else { return };
    stdin.write_all(text.as_bytes()).await.unwrap_or_default();
    stdin.shutdown().await.unwrap_or_default();
}

/// A program and everything that it started. Its number is its own until the program is waited for.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Waits until nobody holds the pipes any more, and then for the program. What is cancelled is asked to end, and
    /// then made to, with all that it started.
    async fn until<T>(
        mut self,
        pipes: impl Future<Output = T>,
        child: &mut Child,
        attempt: &Attempt,
    ) -> (std::io::Result<ExitStatus>, T) {
        let mut pipes = pin!(pipes);
        let read = tokio::select! {
            read = &mut pipes => Some(read),
            () = attempt.cancelled() => None,
        };
        let read = match read {
            Some(read) => read,
            None => self.end(pipes, attempt).await,
        };
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = attempt.cancelled() => None,
        };
        let status = match ended {
            Some(status) => status,
            None => self.end(pin!(child.wait()), attempt).await,
        };
        // Its number may be another's from here on.
        self.0 = None;
        (status, read)
    }

    async fn end<T>(&self, mut ends: Pin<&mut impl Future<Output = T>>, attempt: &Attempt) -> T {
        self.signal(Signal::TERM);
        let ended = tokio::select! {
            ended = &mut ends => Some(ended),
            () = attempt.pause(KILL_AFTER) => None,
        };
        // Also what let go of the pipes and did not end.
        self.signal(Signal::KILL);
        match ended {
            Some(ended) => ended,
            None => ends.await,
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already.
            kill_process_group(group, signal).unwrap_or_default();
        }
    }
}

/// An attempt that nobody waits for any more leaves nothing behind that could still write.
impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What exit codes mean.
struct Codes {
    ok: Vec<i128>,
    transient: Vec<i128>,
}

impl Codes {
    fn of(with: &Value) -> Result<Self, Failure> {
        let mut ok = integers(with, "ok_exit_codes")?;
        if ok.is_empty() {
            ok.push(0);
        }
        Ok(Self { ok, transient: integers(with, "transient_exit_codes")? })
    }

    fn judge(&self, status: ExitStatus, stderr: &str) -> Result<i32, Failure> {
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        let said = last.map(|line| format!(": {}", line.trim())).unwrap_or_default();
        let Some(code) = status.code() else {
            let message = format!("the program was ended by a signal ({status}){said}");
            return Err(Failure::with_unknown_effect(Class::Permanent, message));
        };
        if self.ok.contains(&i128::from(code)) {
            return Ok(code);
        }
        let is_transient = self.transient.contains(&i128::from(code));
        let class = if is_transient { Class::Transient } else { Class::Permanent };
        Err(Failure::without_effect(
            class,
            format!("the program ended with exit code {code}{said}"),
        ))
    }
}

/// The program did what it does; what it printed is not what was promised.
fn parse(stdout: &str, is_cut: bool) -> Result<Value, Failure> {
    let invalid = |message: String| Failure::with_unknown_effect(Class::Invalid, message);
    if is_cut {
        return Err(invalid(
            "standard output is longer than 64 KiB and cannot be read as JSON".to_owned(),
        ));
    }
    let value = serde_json::from_str(stdout)
        .map_err(|error| invalid(format!("standard output is no JSON: {error}")))?;
    if has_mark(&value) {
        return Err(invalid(format!("standard output has the reserved key `{MARK}`")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_name_a_list_of_the_run() {
        for text in [r#"{"$list": 1}"#, r#"[{"a": {"$list": {}}}]"#] {
            let failure = parse(text, false).expect_err("the key is reserved");
            assert!(failure.message.contains("$list"), "{failure}");
        }
        assert!(parse(r#"{"a": [1, null]}"#, false).is_ok());
        assert!(parse("{}", true).is_err(), "cut JSON is not read");
    }
}
