//! The service with nothing to do: its memory, and what it uses of a processor.

use std::path::Path;
use std::time::Duration;

use crate::figures::{Figures, Goal};
use crate::home::Home;

/// Measures it over so long a time.
pub(crate) fn measure(folder: &Path, length: Duration, figures: &mut Figures) {
    let home = Home::new(folder, "service-idle-home", "holdfast_config: 1\n");
    let mut serving = home.serve();
    serving.until_it_serves();
    serving.settle();
    let used = serving.used_within(length);
    let share = used.as_secs_f64() / length.as_secs_f64();
    let resident = serving.resident();
    serving.end();
    home.remove();
    figures.add("service-idle: resident memory in MB", Goal::AtMost(50.0), resident);
    figures.add("service-idle: percent of a processor", Goal::AtMost(0.1), share * 100.0);
}
