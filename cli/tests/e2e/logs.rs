//! The log of the service, as people and programs read it from the real program.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{ChildStderr, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, Started};

const CANARY: &str = "canary-7Qx/2 \"sings";

const TEXT: &str = "holdfast_config: 1\nallow: { commands: [/bin/sh] }\n";

const JSON: &str = "holdfast_config: 1\nallow: { commands: [/bin/sh] }\nservice: { log: json }\n";

/// A fan-out of which one item fails, and both say a secret.
const FAN: &str = r#"
holdfast: 1
name: fan
operation: maintenance
secrets:
  token: { env: TOKEN }
steps:
  - id: each
    for_each: [good, bad]
    uses: command
    env: { TOKEN: "{{ secrets.token }}" }
    with:
      argv: [/bin/sh, -c, "echo \"it is $TOKEN\"; echo \"$TOKEN for $0\" >&2; test $0 != bad", "{{ item }}"]
"#;

fn home(configuration: &str) -> Home {
    let home = Home::new();
    home.write("holdfast.yaml", configuration);
    home.write("workflows/fan.yaml", FAN);
    home
}

/// A service whose lines are read one by one.
struct Serving {
    process: Started,
    lines: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

impl Serving {
    /// A service that says that it serves.
    fn start(home: &Home, environment: &[(&str, &str)]) -> Self {
        let mut command = home.command(&["serve"]);
        command.env("TOKEN", CANARY).envs(environment.iter().copied());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("its talk is heard")).lines();
        let mut serving = Self { process: Started::of(child), lines, said: Vec::new() };
        serving.wait_for("holdfast serves");
        serving
    }

    /// Reads on until a line has this text.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.next().expect("it says so before it ends").expect("it is text");
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends it: all that it said.
    fn end(self) -> Vec<String> {
        let Self { process, lines, mut said } = self;
        process.signal(Signal::TERM);
        said.extend(lines.map(|line| line.expect("it is text")));
        process.end().with_code(0);
        said
    }
}

/// The objects that lines are; each begins in the same way.
fn objects(lines: &[String]) -> Vec<Value> {
    let read = |line: &String| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (at, level) = (object["at"].as_str().unwrap(), object["level"].as_str().unwrap());
        assert!(at.len() == 27 && at.ends_with('Z'), "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&level), "{line}");
        assert!(
            line.starts_with(&format!("{{\"at\":\"{at}\",\"level\":\"{level}\",\"message\":\"")),
            "{line}"
        );
        object
    };
    lines.iter().map(read).collect()
}

#[test]
fn every_line_is_an_object_that_names_run_step_and_item_and_no_secret_is_in_one() {
    for level in ["info", "debug"] {
        let home = home(JSON);
        let serving = Serving::start(&home, &[("HOLDFAST_LOG", level)]);
        let run = home.holdfast(&["submit", "fan"]).with_code(0).first();
        home.holdfast(&["watch", &run]).with_code(3);
        let said = serving.end();
        for form in [CANARY, "canary-7Qx", "Y2FuYXJ5LTdReC8yICJzaW5n"] {
            assert!(!said.iter().any(|line| line.contains(form)), "`{form}`: {said:#?}");
        }
        let objects = objects(&said);
        let of_level = |level: &str| -> Vec<&Value> {
            objects.iter().filter(|object| object["level"] == level).collect()
        };
        let failed = of_level("warn");
        assert_eq!(failed.len(), 1, "it fails once, and is told once: {said:#?}");
        let failed = failed[0];
        assert_eq!(failed["run"], run.as_str());
        assert_eq!(
            [&failed["workflow"], &failed["step"], &failed["item"], &failed["class"]],
            ["fan", "each", "bad", "permanent"]
        );
        assert!(failed["attempt"].is_u64(), "{failed}");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains("exit code 1: *** for bad (permanent)"), "{message}");
        let infos = of_level("info");
        let of_run = infos.iter().copied().filter(|info| info["run"] == run.as_str());
        let (of_steps, of_run): (Vec<&Value>, Vec<&Value>) =
            of_run.partition(|info| info["step"].is_string());
        let statuses: Vec<&Value> = of_run.iter().map(|info| &info["status"]).collect();
        assert_eq!(statuses, ["queued", "running", "partial"], "{said:#?}");
        assert!(of_run.iter().all(|info| info["workflow"] == "fan"), "{said:#?}");
        assert_eq!(of_steps.len(), 1, "{said:#?}");
        let step = of_steps[0];
        assert_eq!([&step["step"], &step["status"]], ["each", "partial"]);
        assert_eq!([&step["total"], &step["succeeded"], &step["failed"]], [2_u64, 1, 1]);
        let debugs = of_level("debug");
        assert_eq!(debugs.is_empty(), level == "info", "{said:#?}");
        let is_said = |item: &str| {
            debugs.iter().any(|debug| {
                let message = debug["message"].as_str().unwrap();
                debug["run"] == run.as_str()
                    && [&debug["step"], &debug["item"]] == ["each", item]
                    && message.contains("it is ***")
            })
        };
        assert_eq!(is_said("good") && is_said("bad"), level == "debug", "{said:#?}");
        let is_durable = debugs.iter().any(|debug| debug["record"].is_u64());
        assert_eq!(is_durable, level == "debug", "{said:#?}");
    }
}

#[test]
fn what_keeps_the_service_from_serving_is_told_in_the_form_of_its_log() {
    let home = home(JSON);
    let mut serving = Serving::start(&home, &[]);
    let check = |level: &str, code: i32, text: &str| {
        let mut command = home.command(&["serve"]);
        let output = command.env("HOLDFAST_LOG", level).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said: Vec<String> =
            String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
        let objects = objects(&said);
        assert_eq!(objects.len(), 1, "{said:#?}");
        assert_eq!(objects[0]["level"], "error");
        assert!(objects[0]["message"].as_str().unwrap().contains(text), "{said:#?}");
    };
    check("info", 69, &serving.process.pid().to_string());
    check("error", 69, &serving.process.pid().to_string());
    check("loud", 2, "`HOLDFAST_LOG` is `loud`");
    // A broken edit: the diagnostic too, which people see with its line of the file.
    home.write("holdfast.yaml", &JSON.replace("service", "serivce"));
    serving.process.signal(Signal::HUP);
    let told = serving.wait_for("What it said before still holds.");
    assert_eq!(objects(&[told])[0]["level"], "warn");
    let said = serving.end();
    let diagnostic = objects(&said).into_iter().find(|object| {
        let message = object["message"].as_str().unwrap();
        message.contains("holdfast.yaml:3:1: ") && message.contains("(HF")
    });
    assert_eq!(diagnostic.unwrap()["level"], "error");
}

#[test]
fn people_read_sentences_and_the_form_follows_the_configuration() {
    let home = home(TEXT);
    let mut serving = Serving::start(&home, &[]);
    assert!(serving.said.last().unwrap().starts_with("holdfast serves "), "{:?}", serving.said);
    let run = home.holdfast(&["submit", "fan"]).with_code(0).first();
    let failed = serving.wait_for(" failed: ");
    assert!(failed.starts_with(&format!("warning: {run} each[bad]#")), "{failed}");
    assert!(failed.ends_with(": *** for bad (permanent)"), "{failed}");
    serving.wait_for(&format!("{run} each: partial (2 items: 1 succeeded, 1 failed)"));
    assert_eq!(serving.wait_for(&format!("{run} partial")), format!("{run} partial"));
    home.write("holdfast.yaml", JSON);
    serving.process.signal(Signal::HUP);
    let anew = serving.wait_for("The configuration was read anew.");
    assert_eq!(objects(&[anew])[0]["level"], "info");
    home.write("holdfast.yaml", TEXT);
    serving.process.signal(Signal::HUP);
    let anew = serving.wait_for("The configuration was read anew.");
    assert_eq!(anew, "The configuration was read anew.");
    serving.end();
}

#[test]
fn the_service_goes_on_when_nobody_reads_its_log_any_more() {
    for configuration in [TEXT, JSON] {
        let home = home(configuration);
        let Serving { process, lines, .. } = Serving::start(&home, &[("HOLDFAST_LOG", "debug")]);
        drop(lines);
        let run = home.holdfast(&["submit", "fan"]).with_code(0).first();
        home.holdfast(&["watch", &run]).with_code(3);
        process.signal(Signal::TERM);
        process.end().with_code(0);
    }
}
