//! What becomes of schedules when their files change, and what people are told of it.

use std::fs;
use std::path::Path;

use holdfast_journal::schedule::{ScheduleRecord, Trouble};

use super::*;
use crate::arguments::Form;
use crate::compose::parts;
use crate::output::Output;

/// A folder with workflows, and what is known of them.
struct Home {
    folder: tempfile::TempDir,
    settings: Settings,
    pages: Pages,
    stored: Vec<ScheduleRecord>,
    /// What an earlier process told people.
    earlier: Vec<String>,
}

/// What a reading came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    planned: Vec<String>,
    seen: Vec<String>,
    lost: Vec<String>,
    told: Vec<String>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder is made");
        fs::create_dir(folder.path().join("workflows")).expect("a folder is made");
        let settings = Settings::without_a_file(folder.path());
        let pages = Pages::new(parts(&settings, Output::new(Form::Text)));
        Self { folder, settings, pages, stored: Vec::new(), earlier: Vec::new() }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join("workflows").join(file)
    }

    #[expect(clippy::disallowed_methods, reason = "a test writes files as it likes")]
    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a file is written");
    }

    /// Another process comes: it remembers nothing but what is stored.
    fn restart(&mut self) {
        self.pages = Pages::new(self.pages.parts.clone());
    }

    fn read(&mut self) -> Came {
        let parts = self.pages.parts.clone();
        let earlier = if self.pages.is_blank { self.earlier.clone() } else { Vec::new() };
        let files =
            Files::read(&self.settings, &parts, &self.pages.names).expect("the folder is read");
        let mut changes = self.pages.turn(files, &earlier);
        let planned = self.pages.planned(&self.stored, &mut changes, &earlier);
        let planned = planned.iter().map(|planned| planned.spec.name.to_string()).collect();
        let mut came = Came { planned, ..Came::default() };
        for change in changes {
            self.take(change, &mut came);
        }
        came
    }

    /// Keeps what is to be stored.
    fn take(&mut self, change: ScheduleChange, came: &mut Came) {
        match change {
            ScheduleChange::Seen(spec) => {
                came.seen.push(spec.name.to_string());
                self.stored.retain(|record| record.spec.name != spec.name);
                self.stored.push(record(&spec));
            }
            ScheduleChange::Lost(name) => {
                came.lost.push(name.to_string());
                self.trouble(&name.to_string(), Some(Trouble::Lost { since: Instant(0) }));
            }
            ScheduleChange::Unusable { text, .. } => {
                came.told.push(text.clone());
                self.earlier.push(text);
            }
            other => panic!("nobody asks for that: {other:?}"),
        }
    }

    fn trouble(&mut self, name: &str, trouble: Option<Trouble>) {
        let record = self.stored.iter_mut().find(|record| record.spec.name.to_string() == name);
        record.expect("it is stored").trouble = trouble;
    }

    fn broken(&mut self, name: &str, reason: &str) {
        let trouble = Trouble::Broken { since: Instant(0), reason: reason.to_owned() };
        self.trouble(name, Some(trouble));
    }
}

fn record(spec: &ScheduleSpec) -> ScheduleRecord {
    let spec = serde_json::to_string(spec).expect("it is JSON");
    let text = format!("{{\"spec\":{spec},\"first_seen\":0,\"decided\":0}}");
    serde_json::from_str(&text).expect("everything else has a default")
}

/// A workflow with a schedule `s`.
fn good(name: &str) -> String {
    format!(
        "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: {{ that: \
         true, message: never }}\non:\n  schedule:\n    - {{ id: s, cron: '0 0 1 1 *' }}\n"
    )
}

/// A text of that name of which nothing can be read.
fn garbled(name: &str) -> String {
    format!("holdfast: 1\nname: {name}\nsteps: [\n")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_file_of_which_nothing_can_be_read_keeps_its_schedules_wherever_it_lies() {
    let mut home = Home::new();
    home.write("elsewhere.yaml", &good("w"));
    let came = home.read();
    assert_eq!((came.planned, came.seen), (names(&["w:s"]), names(&["w:s"])));
    home.write("elsewhere.yaml", "holdfast: [\n");
    let came = home.read();
    assert_eq!((came.planned, came.lost), (names(&["w:s"]), names(&[])));
    assert!(came.told[0].contains("What it said before still holds."), "{:?}", came.told);
    // Its name is remembered, not only that of the last good text.
    assert_eq!(home.read(), Came { planned: names(&["w:s"]), ..Came::default() });
    // A process that comes now knows only what a line says.
    home.write("elsewhere.yaml", &garbled("w"));
    home.restart();
    let came = home.read();
    assert_eq!((came.planned, came.lost), (names(&["w:s"]), names(&[])));
    assert!(came.told[0].contains("Nothing of it starts."), "{:?}", came.told);
    home.write("elsewhere.yaml", "holdfast: [\n");
    assert_eq!(home.read().planned, names(&["w:s"]), "what the line said is remembered");
}

#[test]
fn a_file_that_cannot_be_read_takes_no_name_from_one_that_says_it() {
    let mut home = Home::new();
    home.write("a.yaml", &good("w"));
    home.read();
    home.write("a.yaml", &garbled("w"));
    home.write("b.yaml", &good("w").replace("id: s", "id: t"));
    let came = home.read();
    assert_eq!(came.planned, names(&["w:t"]));
    assert_eq!((came.seen, came.lost), (names(&["w:t"]), names(&["w:s"])));
    assert!(came.told[0].contains("Nothing of it starts."), "{:?}", came.told);
}

#[test]
fn two_files_that_say_one_name_keep_what_was_before() {
    let mut home = Home::new();
    home.write("a.yaml", &good("w"));
    home.read();
    home.write("b.yaml", &good("w"));
    let came = home.read();
    assert_eq!((came.planned, came.lost), (names(&["w:s"]), names(&[])));
    assert!(came.told[0].contains("Two files have the workflow name `w`"), "{:?}", came.told);
    fs::remove_file(home.path("b.yaml")).expect("it goes");
    assert_eq!(home.read(), Came { planned: names(&["w:s"]), ..Came::default() });
}

#[test]
fn a_schedule_whose_request_fails_is_not_seen_again_at_every_reading() {
    let mut home = Home::new();
    home.write("w.yaml", &good("w"));
    home.read();
    home.broken("w:s", "The target is gone.");
    let nothing = Came { planned: names(&["w:s"]), ..Came::default() };
    assert_eq!(home.read(), nothing);
    home.restart();
    assert_eq!(home.read(), nothing);
    home.trouble("w:s", Some(Trouble::Lost { since: Instant(0) }));
    assert_eq!(home.read().seen, names(&["w:s"]), "its file is back");
}

#[test]
fn a_schedule_whose_file_was_broken_is_seen_again_once_it_is_good() {
    let mut home = Home::new();
    let reason = |told: &str| {
        let (_, reason) = told.split_once(" cannot be used: ").expect("it says why");
        reason.split(" Nothing of it").next().expect("it says what holds").to_owned()
    };
    let check = |home: &mut Home, restarts: bool| {
        home.write("w.yaml", &good("w"));
        home.read();
        home.write("w.yaml", &good("w").replace("uses: assert", "uses: asert"));
        home.restart();
        let told = home.read().told;
        let told = told.first().or(home.earlier.last()).expect("it was told").clone();
        home.broken("w:s", &reason(&told));
        assert_eq!(home.read().seen, names(&[]), "its file is broken still");
        home.write("w.yaml", &good("w"));
        if restarts {
            home.restart();
        }
        assert_eq!(home.read().seen, names(&["w:s"]), "{restarts}");
        assert_eq!(home.read().seen, names(&[]), "once");
    };
    check(&mut home, false);
    check(&mut home, true);
}

#[test]
fn what_an_earlier_process_told_of_a_file_is_not_told_again() {
    let mut home = Home::new();
    home.write("w.yaml", &garbled("w"));
    assert_eq!(home.read().told.len(), 1);
    home.restart();
    assert_eq!(home.read().told, names(&[]));
    // It was good meanwhile: that is another edit.
    home.write("w.yaml", &good("w"));
    home.read();
    home.write("w.yaml", &garbled("w"));
    assert_eq!(home.read().told.len(), 1);
}

#[test]
fn a_schedule_that_was_lost_before_its_file_was_broken_is_not_waited_for() {
    let mut home = Home::new();
    home.write("w.yaml", &good("w"));
    home.read();
    home.write("w.yaml", &good("w").replace("id: s", "id: t"));
    assert_eq!(home.read().lost, names(&["w:s"]));
    home.write("w.yaml", &garbled("w"));
    home.restart();
    assert_eq!(home.read().planned, names(&["w:t"]));
}

#[test]
fn a_workflow_that_others_run_is_looked_up_in_what_was_read() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let settings = Settings::without_a_file(folder.path());
    let parts = parts(&settings, Output::new(Form::Text));
    let place = folder.path().join("workflows");
    fs::create_dir(&place).expect("a folder is made");
    write(&place.join("kid.yaml"), &good("kid"));
    let read = Arc::new(crate::find::Folder::read(&place).expect("it is read"));
    fs::remove_file(place.join("kid.yaml")).expect("it goes");
    let children = children::LocalWorkflows::read(read, parts.actions.clone());
    let actions = parts.actions.with_workflows(Arc::new(children));
    let text =
        "holdfast: 1\nname: p\noperation: maintenance\nsteps:\n  - id: kid\n    workflow: kid\n";
    let checked = holdfast_language::check(&holdfast_language::Source::new("p", text), &actions);
    assert_eq!(checked.expect("it is valid").children.len(), 1);
}

#[expect(clippy::disallowed_methods, reason = "a test writes files as it likes")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file is written");
}
