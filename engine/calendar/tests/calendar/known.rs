//! Days on which people know the answer, and what is no zone.

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_kernel::id::Instant;
use jiff::civil::Date;

/// The ticks of a civil day, as the clock of the place shows them with its offset.
fn ticks(pattern: &str, zone: &str, day: &str) -> Vec<String> {
    let zone = Zone::named(zone).unwrap();
    let calendar = Calendar { cron: Cron::parse(pattern).unwrap(), zone: zone.clone() };
    let date: Date = day.parse().unwrap();
    let midnight = date.in_tz(zone.name()).unwrap().timestamp().as_microsecond();
    let shown = calendar.ticks_after(Instant(midnight - 1)).map(|at| zone.show(at));
    let shown = shown.map_while(|shown| Some(shown.strip_prefix(day)?.trim().to_owned()));
    shown.collect()
}

#[test]
fn inv_12_an_hour_that_is_named_comes_once_a_day_and_the_others_go_by_the_clock() {
    let check = |zone: &str, day: &str, pattern: &str, expect: &[&str]| {
        assert_eq!(ticks(pattern, zone, day), expect, "`{pattern}` in {zone} on {day}");
    };
    let (berlin, york) = ("Europe/Berlin", "America/New_York");
    let (spring, autumn) = ("2026-03-29", "2026-10-25");
    check(berlin, spring, "30 2 * * *", &["03:00 +02:00"]);
    check(berlin, autumn, "30 2 * * *", &["02:30 +02:00"]);
    check(berlin, spring, "15,45 1 * * *", &["01:15 +01:00", "01:45 +01:00"]);
    check(berlin, autumn, "15,45 1 * * *", &["01:15 +02:00", "01:45 +02:00"]);
    check(berlin, spring, "15,45 2 * * *", &["03:00 +02:00"]);
    check(
        berlin,
        spring,
        "0 */6 * * *",
        &["00:00 +01:00", "06:00 +02:00", "12:00 +02:00", "18:00 +02:00"],
    );
    check(
        berlin,
        autumn,
        "0 */6 * * *",
        &["00:00 +02:00", "06:00 +01:00", "12:00 +01:00", "18:00 +01:00"],
    );
    check(berlin, autumn, "0 2,3 * * *", &["02:00 +02:00", "03:00 +01:00"]);
    assert_eq!(ticks("*/30 * * * *", berlin, spring).len(), 46);
    assert_eq!(ticks("*/30 * * * *", berlin, autumn).len(), 50);
    let (spring, autumn) = ("2026-03-08", "2026-11-01");
    check(york, spring, "30 2 * * *", &["03:00 -04:00"]);
    check(york, autumn, "30 2 * * *", &["02:30 -05:00"]);
    check(york, spring, "15,45 1 * * *", &["01:15 -05:00", "01:45 -05:00"]);
    check(york, autumn, "15,45 1 * * *", &["01:15 -04:00", "01:45 -04:00"]);
    check(
        york,
        spring,
        "0 */6 * * *",
        &["00:00 -05:00", "06:00 -04:00", "12:00 -04:00", "18:00 -04:00"],
    );
    assert_eq!(ticks("*/30 * * * *", york, spring).len(), 46);
    assert_eq!(ticks("*/30 * * * *", york, autumn).len(), 50);
    // Half an hour is shown twice, or never.
    check("Australia/Lord_Howe", "2026-04-05", "45 1 * * *", &["01:45 +11:00"]);
    check("Australia/Lord_Howe", "2026-10-04", "15 2 * * *", &["02:30 +11:00"]);
    // 29 February, and the day that Samoa left out.
    check("UTC", "2028-02-29", "0 0 29 2 *", &["00:00 +00:00"]);
    check("Pacific/Apia", "2011-12-31", "0 0 * * *", &["00:00 +14:00"]);
    check("Pacific/Apia", "2011-12-29", "0 12 * * *", &["12:00 -10:00"]);
}

#[test]
fn what_comes_seldom_comes() {
    let zone = Zone::utc();
    let leap = Calendar { cron: Cron::parse("0 0 29 2 *").unwrap(), zone: zone.clone() };
    let from = Date::constant(2096, 3, 1).in_tz("UTC").unwrap().timestamp().as_microsecond();
    assert_eq!(zone.show(leap.next_after(Instant(from)).unwrap()), "2104-02-29 00:00 +00:00");
}

#[test]
fn a_zone_is_one_of_the_list() {
    for name in ["Europe/Berlin", "UTC", "Africa/Casablanca"] {
        assert_eq!(Zone::named(name).unwrap().name(), name);
        assert!(Zone::names().iter().any(|of| of == name), "{name}");
    }
    for name in [
        "Europe/Berln",
        "",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "+02:00",
        "local",
        "europe/berlin",
        "../etc/passwd",
    ] {
        assert_eq!(
            Zone::named(name).unwrap_err().to_string(),
            format!("there is no time zone `{name}`")
        );
    }
}
