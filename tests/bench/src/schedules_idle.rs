//! The service with 10,000 schedules of which none is due: what it uses of a processor, and its memory.

use std::path::Path;
use std::time::Duration;

use crate::figures::{Figures, Goal};
use crate::many_schedules;

/// Measures it over so long a time.
pub(crate) fn measure(folder: &Path, length: Duration, figures: &mut Figures) {
    let home = many_schedules::home(folder, "schedules-idle-home");
    let mut serving = home.serve();
    let start = serving.until_it_serves();
    // It has looked at each schedule once before there is nothing to do.
    serving.settle();
    let began = serving.processor_time();
    let used = serving.used_within(length);
    let of_a_minute = used.as_secs_f64() * 60.0 / length.as_secs_f64();
    let resident = serving.resident();
    serving.end();
    home.remove();
    let goal = Goal::AtMost(0.5);
    figures.add("schedules-idle: processor seconds in a minute", goal, of_a_minute);
    figures.add("schedules-idle: resident memory in MB", Goal::None, resident);
    figures.add("schedules-idle: first start in seconds", Goal::None, start.as_secs_f64());
    let name = "schedules-idle: processor seconds until it is idle";
    figures.add(name, Goal::None, began.as_secs_f64());
}
