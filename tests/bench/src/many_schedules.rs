//! A home with 10,000 schedules, none of which has a tick soon.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::home::Home;

/// How many schedules there are.
pub(crate) const SCHEDULES: u32 = FILES * IN_A_FILE;

/// How many workflows have them.
const FILES: u32 = 100;

/// How many each has.
const IN_A_FILE: u32 = 100;

/// A home of this name.
pub(crate) fn home(folder: &Path, name: &str) -> Home {
    let home = Home::new(folder, name, "holdfast_config: 1\n");
    let month = far_month();
    for file in 0..FILES {
        let lines: Vec<String> =
            (0..IN_A_FILE).map(|place| line(file * IN_A_FILE + place, month)).collect();
        let (name, lines) = (format!("w{file:02}"), lines.concat());
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: \
             {{ that: true }}\non:\n  schedule:\n{lines}"
        );
        home.workflow(&name, &text);
    }
    home
}

/// One schedule: each has another minute of the first days of a month, once a year.
fn line(number: u32, month: u64) -> String {
    let (minute, hour, day) = (number % 60, number / 60 % 24, number / 1_440 + 1);
    format!("    - {{ id: s{number:04}, cron: \"{minute} {hour} {day} {month} *\" }}\n")
}

/// The number of a month about half a year away.
fn far_month() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    // In months of the same length: one month more or less makes no difference.
    let months = since.as_secs() * 12 / 31_556_952;
    (months + 6) % 12 + 1
}
