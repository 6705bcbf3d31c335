//! `notify`: tells people something, once, however often the step is tried.

use std::collections::BTreeSet;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::records::{Keep, Level, Message};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::EffectKey;
use holdfast_kernel::value::Value;

use crate::input::text;

/// The channel that is always there: the stored notifications.
const INBOX: &str = "inbox";

/// The most bytes of a message.
const LONGEST: usize = 16 * 1024;

/// The most bytes of a title.
const LONGEST_TITLE: usize = 256;

static SPEC: ActionSpec = ActionSpec {
    name: "notify",
    version: 1,
    effect: EffectClass::Keyed,
    writes: Writes::Outside,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::required(
            "channel",
            Shape::String,
            "Where it goes: `inbox`, the stored notifications, or a channel of the configuration.",
        ),
        Field::optional(
            "text",
            Shape::Text,
            "What it says, at most 16 KiB; otherwise how the run goes: status, what is not ok, the command to see more.",
        ),
        Field::optional("title", Shape::String, "Its title, at most 256 bytes."),
        Field::optional(
            "level",
            Shape::Word(&["info", "warning", "error"]),
            "How much it matters: `info` unless given.",
        ),
    ],
    outputs: &[Field::required("notification", Shape::String, "Its id.")],
    summary: "Stores a notification.",
    remarks: "It is done when the notification is durable, and a step that is tried again does not store a second one. \
              `holdfast notifications` lists it. A channel is sent it from there: whether it is delivered is shown by \
              `holdfast status`, and is no part of the run.",
    example: "- id: report\n  uses: notify\n  with: { channel: inbox, level: warning, text: \"Have a look at {{ run.id }}.\" }\n",
};

/// The action.
#[derive(Clone, Debug)]
pub struct Notify {
    channels: BTreeSet<String>,
}

impl Notify {
    /// With the names of the channels that there are besides the inbox.
    pub const fn new(channels: BTreeSet<String>) -> Self {
        Self { channels }
    }
}

#[async_trait]
impl Action for Notify {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn reads_run(&self) -> bool {
        true
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let channel = text(&input.with, "channel")?.unwrap_or_default();
        if channel != INBOX && !self.channels.contains(&channel) {
            let message = format!("the configuration has no channel `{channel}`");
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        let said = match text(&input.with, "text")? {
            Some(said) if !said.trim().is_empty() => said,
            Some(_) | None => attempt.records().summary()?,
        };
        let title = text(&input.with, "title")?.unwrap_or_default();
        for (what, text, most) in [("text", &said, LONGEST), ("title", &title, LONGEST_TITLE)] {
            if text.len() > most {
                let message = format!("`{what}` has more than {most} bytes");
                return Err(Failure::without_effect(Class::Invalid, message));
            }
        }
        let id = id_of(input.effect_key);
        let level = level(text(&input.with, "level")?.as_deref());
        let run = attempt.facts().run;
        let message = Message { id: id.clone(), run, channel, level, title, text: said };
        attempt.records().keep(Keep::Message(message)).await?;
        Ok(Output::whole(Value::from([("notification", Value::Text(id))])))
    }
}

fn id_of(effect: EffectKey) -> String {
    format!("note_{:016x}", effect.0.leading())
}

fn level(word: Option<&str>) -> Level {
    let of = |level: &Level| Some(level.word()) == word;
    Level::ALL.into_iter().find(of).unwrap_or(Level::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_spec_are_the_levels() {
        let Some(Field { shape: Shape::Word(words), .. }) = SPEC.input("level") else {
            panic!("it is a word")
        };
        assert_eq!(*words, Level::ALL.map(Level::word));
        assert_eq!(level(Some("error")), Level::Error);
        assert_eq!(level(None), Level::Info);
    }
}
