//! The one table of diagnostic codes: number, title and explanation of each.
//!
//! A code is never given a second meaning. Every code has an entry with a failing and a mended example
//! in `docs/diagnostics.md`; a test reads that page.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident $number:literal $title:literal $explanation:literal)*) => {
        /// What kind of mistake a diagnostic is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number people look up, `HF0101`.
            pub const fn number(self) -> &'static str {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The title of its entry.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                }
            }

            /// Why it is refused, in full sentences.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }
        }
    };
}

codes! {
    FileTooLarge "HF0001" "The file is too large"
        "A file has at most 1 MiB, so that every check of it is quick."
    NotYaml "HF0002" "This is not YAML"
        "The text breaks the rules of YAML 1.2, so nothing after this place could be read."
    NoWorkflow "HF0003" "A file is one map"
        "A file is exactly one YAML document, and that document is a map."
    DuplicateKey "HF0004" "A key is there twice"
        "A second key of the same name would silently replace the first."
    Tab "HF0005" "There is a tab"
        "Tabs are refused outside of quoted text: how far one indents depends on who looks."
    TagRefused "HF0006" "A tag is refused"
        "A word after `!` is a YAML tag. Tags change what a value is, and a condition that starts with `!` would be an empty value with a tag: no condition at all."
    TooManyNodes "HF0007" "The aliases blow up"
        "Aliases are allowed within a budget: all values of a file, each alias counted as what it stands for."
    TooDeep "HF0008" "It is nested too deeply"
        "Lists and maps are nested at most 32 deep."
    UnquotedTemplate "HF0009" "A template needs quotes"
        "Without quotes YAML reads `{{ x }}` as a map in a map."
    KeyNotText "HF0010" "A key is not text"
        "The keys of a map are plain text. A list, a map or nothing is no key, and `<<` does not merge."
    UnknownKey "HF0101" "The key is not known here"
        "Every place has a fixed list of keys, so that a misspelled one is not silently ignored."
    ForeignKey "HF0102" "The key belongs to another tool"
        "The key is from another workflow language. Ours has another word for it, or does it another way."
    MissingKey "HF0103" "A key is missing"
        "The key must be given."
    WrongType "HF0104" "The value has the wrong type"
        "The key takes a value of another type. Only `true` and `false` are booleans; numbers with a leading zero or an underscore are text."
    UnknownWord "HF0105" "The word is not one of those allowed"
        "The key takes one of a few words."
    NotBuiltYet "HF0106" "This is not built yet"
        "The language has it, but this version of holdfast does not do it. It is refused rather than half done."
    BadName "HF0107" "The name is malformed"
        "Ids, input names and secret names match `[a-z][a-z0-9_]*`. A workflow's name may also have `-`, `.` and `/` between its words."
    BadDuration "HF0108" "This is not a duration"
        "A duration is a number with a unit, or several: `250ms`, `15m`, `1h30m`, `7d`. A bare number has no unit and is refused."
    OutOfRange "HF0109" "The value is out of range"
        "The value is smaller or larger than what makes sense here."
    BadVersion "HF0110" "The language version is not known"
        "`holdfast: 1` is the only version of the language."
    KeysExclude "HF0111" "These keys do not go together"
        "The keys exclude each other, or one makes sense only with another."
    TooManySteps "HF0112" "The number of steps is out of range"
        "A workflow has between 1 and 1,000 steps."
    DuplicateStep "HF0201" "Two steps have one id"
        "The id of a step is how others refer to it, so it is unique in its workflow."
    UnknownStep "HF0202" "There is no step of that id"
        "`needs` names steps of the same workflow."
    Cycle "HF0203" "The steps need each other in a circle"
        "Each of them would wait for the others for ever."
    NothingToFail "HF0204" "Nothing is needed that could fail"
        "`run_when: failed` runs if a step before it failed, and this step needs none."
    TimeoutTooLong "HF0205" "The timeout is longer than the run's"
        "The run would end before the attempt may."
    NeedByPlace "HF0206" "A step that always runs is needed only by its place"
        "A step without `needs` runs after the step above it. The one above runs whatever happened, and nothing of it is read: most likely the step was meant to need what is further up. This is a warning."
    OtherGraph "HF0207" "The step belongs to the other graph"
        "`finally` is a graph of its own: it starts when all other steps are final, and reads any of them without needing it. Neither graph needs steps of the other."
    UnknownAction "HF0301" "There is no such action"
        "`uses` names one of the actions that come with holdfast."
    UnknownActionInput "HF0302" "The action does not take this"
        "`with` has only what the action takes."
    MissingActionInput "HF0303" "The action needs this"
        "The action cannot do anything without it."
    UnfitActionInput "HF0304" "The action takes something else here"
        "The value has another type than the action takes, or is not one of its words."
    EnvRefused "HF0305" "The action takes no `env`"
        "Only actions that start a program have an environment."
    EffectRefused "HF0306" "The effect cannot be promised here"
        "An action knows its own effect class. Only `command` cannot, and there the step may promise `effect: idempotent`."
    BatchRefused "HF0307" "The action takes one item at a time"
        "`batch` is for actions whose attempt can take several items."
    WriteRefused "HF0308" "The operation may not write this"
        "Workflows of operation `inventory` and `preview` may not write a target."
    OperationRefused "HF0309" "The action belongs to another operation"
        "`plan.apply` changes a target after a plan, so it is allowed only where the operation is `restore`."
    TargetMissing "HF0310" "The action needs a target"
        "The action works on the run's target, and the workflow has no `target`."
    CaptureUnsealed "HF0311" "Nothing seals what is captured"
        "What a step captured is kept only if a `backup_set.seal` that needs it takes it in."
    NoAttempts "HF0312" "The step makes no attempts"
        "`sleep`, `approval` and child runs make no attempts of their own, so there is nothing to retry or to promise; a `sleep` and a child run have no `timeout` either."
    UnknownWorkflow "HF0313" "There is no workflow of that name to run"
        "`workflow` on a step names a workflow beside the configuration, or one that ships with holdfast. It is written out, so that what runs is known before anything starts, and it must be valid itself."
    WorkflowCircle "HF0314" "The workflow would run itself"
        "Child runs are nested at most 8 deep, and no workflow runs itself, directly or through others."
    ChildWrites "HF0315" "The child may write what its parent may not"
        "A child run may write nothing that the operation of its parent may not."
    ApprovalTolerated "HF0316" "A rejection cannot be passed over"
        "`continue_on_error` on an `approval` would let the run go on after a person said no."
    UsesOrWorkflow "HF0317" "A step does one thing"
        "A step has `uses` with an action, or `workflow` with the name of a workflow to run; one of the two."
    ExpressionSyntax "HF0401" "The expression cannot be read"
        "Expressions are written as in Jinja: `inputs.kinds | length > 0`."
    BracesInCondition "HF0402" "A condition has no braces"
        "`if` and `where` are bare expressions; with braces the result would be text, and any text would count."
    ForeignTemplate "HF0403" "The template is written for another tool"
        "`${{ x }}` is how another tool writes it."
    StatementRefused "HF0404" "Templates have no statements"
        "`{% %}` and `{# #}` are refused: there is no control flow inside of values."
    TemplateRefused "HF0405" "A template is not allowed here"
        "The value must be known before the run starts, so it is a literal."
    UnknownName "HF0406" "The name is not in scope"
        "Expressions see `inputs`, `steps`, `run`, and in a fan-out the loop variable and `loop`. There is no clock, chance, environment or file, so the same journal always gives the same values."
    UnknownPath "HF0407" "There is nothing of that name"
        "Each part of a path is checked against the inputs that are declared, the steps and what their actions return."
    StepNotNeeded "HF0408" "The step is not needed"
        "A step may be read only where it is final: where the reading step needs it, directly or through others. Reading never makes an edge by itself."
    UnknownFunction "HF0409" "There is no such filter, test or function"
        "Expressions have a fixed list of filters and tests, and values have no methods."
    SecretRefused "HF0410" "A secret may not be read here"
        "Secrets are read only in `env` and in those keys of `with` that the action marks. Anywhere else they would be stored."
    MayBeMissing "HF0411" "The output may be missing"
        "The step may have been skipped or may have failed when this is read."
    TypesDiffer "HF0412" "These are never equal"
        "The two sides are of different types, so the comparison has always the same result, or fails."
    NotAStatus "HF0413" "This is not one of its words"
        "The value is one of a few words and is compared with another one."
    ListInText "HF0414" "A list or map cannot stand inside of text"
        "Inside of text each inserted value is a string, a number or a boolean."
    UnfitResult "HF0415" "The expression gives the wrong type"
        "The place takes a value of another type than the expression gives."
    ExpressionTooLong "HF0416" "The expression is too long"
        "An expression has at most 2,048 bytes."
    ForeignOperator "HF0417" "The operator or function belongs to another tool"
        "Expressions are written with words: `and`, `or`, `not`. Whether a step runs after a failure is `run_when`, not a function in `if`."
    BadInput "HF0501" "The input's declaration contradicts itself"
        "A key of the declaration does not fit the input's type, or two of them leave no value."
    UnfitDefault "HF0502" "The default does not fit its own input"
        "A default is a literal that the declaration itself would accept."
    BadPattern "HF0503" "The pattern is no regular expression"
        "`pattern` is a regular expression that the whole text must match."
    BadConfigurationVersion "HF0601" "The configuration's version is missing or not known"
        "`holdfast_config: 1` is the only version. It is required, so that a later holdfast need not guess what an old file meant."
    BadPath "HF0602" "The path cannot be meant"
        "A path is taken as it is written: `~`, variables and templates are not expanded in it."
    NotAbsolute "HF0603" "The program has no absolute path"
        "What is executed must depend neither on the folder that holdfast was started in nor on a search path."
    BadGlob "HF0604" "This is not a pattern"
        "A pattern is matched with the path from the target's root, or with a name: `*` stops at a `/`, `**` does not, and `{a,b}` is one of several."
    NoDefaultRepository "HF0605" "No repository is the default"
        "One of several repositories is named `default`: it is used where a workflow names none."
    SecretWritten "HF0606" "A secret stands in the file"
        "A secret is named by where it is found, so that the file can be shown and kept under version control."
    CommandTwice "HF0607" "The command is listed twice"
        "Two entries of one program could promise different things about what it writes."
    KeepsNothing "HF0608" "The retention keeps nothing"
        "Without a single rule no backup set would be kept."
    BadAddress "HF0609" "This is no address of the web"
        "An address of the web starts with `https://` or `http://` and a host, and has neither spaces nor templates. That of an ntfy server ends with its host."
    BadMail "HF0610" "Mail cannot go there"
        "An address of mail has one `@`, and the server is named by its host alone: no port and no `smtp://`."
    UnknownChannel "HF0611" "There is no channel of that name"
        "A rule of `notify` names one of `channels`."
    InboxReserved "HF0612" "The inbox is always there"
        "Every notification is stored in the inbox, so it is neither declared as a channel nor named by a rule."
    CommandNotAllowed "HF0613" "The program may not be executed"
        "Nothing is executed that is not listed in `commands` of `allow`."
    ChannelWithoutRule "HF0614" "No rule names the channel"
        "Without a rule that names it, a channel gets only what a `notify` step of a workflow sends to it. This is a warning."
    MailInTheClear "HF0615" "The mail would go in the clear"
        "`tls: none` is for a server on this machine: on the way to another one everybody could read the mail and the password."
    BadQuietHours "HF0616" "These are no quiet hours"
        "`from` and `to` are two different times of the day, from `00:00` to `23:59`; quiet hours may go past midnight."
    RuleWithoutUse "HF0617" "The rule matches nothing"
        "What is told of a schedule or of a channel is about no run, and a rule with `operations` or `targets` is for runs alone. This is a warning."
    BadCron "HF0701" "This is no cron pattern"
        "A cron pattern has five fields: minute, hour, day of the month, month and day of the week. There are no seconds; a few names such as `@daily` stand for a pattern."
    CronNeverMatches "HF0702" "The cron pattern never matches"
        "No year has a day that the pattern matches, so nothing would ever be started."
    UnknownZone "HF0703" "There is no such time zone"
        "A time zone has its IANA name, such as `Europe/Berlin`. The zone of the machine is never used: the file means the same everywhere."
    DuplicateSchedule "HF0704" "Two schedules have one id"
        "A tick is known by the workflow, the id of its schedule and its instant, so the id is unique in its workflow."
    UnknownScheduleInput "HF0705" "The workflow has no such input"
        "`inputs` of a schedule has only what the workflow declares."
    MissingScheduleInput "HF0706" "The schedule does not give a required input"
        "When a tick comes, nobody is there to give it."
    UnfitScheduleInput "HF0707" "The value does not fit its input"
        "What a schedule gives is a literal that the declaration of the input accepts."
    BadHeartbeat "HF0708" "This is no address that can be called"
        "The address is called over HTTP, so it starts with `https://` or `http://` and names a machine."
    KeyWithoutUse "HF0709" "The key has no use here"
        "The key says more about something that this schedule does not do. This is a warning."
    CatchUpUnsaid "HF0710" "What becomes of missed ticks is not said"
        "Unless told otherwise, the latest tick that was missed is caught up with when holdfast is there again, at another time of the day. Where a program runs or a target is written, that should be somebody's decision. This is a warning."
}

impl Code {
    /// Where its entry is.
    pub fn docs(self) -> String {
        format!("docs/diagnostics.md#{}", self.number().to_lowercase())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ascend() {
        let numbers: Vec<_> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}
