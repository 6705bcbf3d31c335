//! The text format of Prometheus, version 0.0.4, written by hand.
//!
//! The crate `prometheus-client` writes `OpenMetrics` alone. There a counter's type stands under its name without
//! `_total`: who reads this format, as `node_exporter`'s textfile collector does, takes all counters for untyped ones
//! without a help, and refuses a file with the type `info`. It does not escape the values of labels either.
//!
//! It knows no metric of ours.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
}

impl Kind {
    /// The word of it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric with its numbers.
#[derive(Debug, Serialize)]
pub(super) struct Family {
    pub(super) name: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Sample>,
}

/// One number. Seconds, bytes and counts are whole.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    labels: BTreeMap<&'static str, String>,
    value: u64,
}

impl Sample {
    /// A number with these labels.
    pub(super) fn new<const MANY: usize>(labels: [(&'static str, &str); MANY], value: u64) -> Self {
        let labels = labels.into_iter().map(|(name, text)| (name, text.to_owned()));
        Self { labels: labels.collect(), value }
    }
}

/// The text. A metric without numbers is left out.
pub(super) fn encode(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let (name, help, kind) = (family.name, family.help, family.kind.word());
        text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
        for sample in &family.samples {
            text.extend([name, &block(&sample.labels), " ", &sample.value.to_string(), "\n"]);
        }
    }
    text
}

/// Labels as they stand behind a name.
fn block(labels: &BTreeMap<&'static str, String>) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

/// The value of a label: three characters are escaped, and no others may be.
fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut escaped, character| {
        match character {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str(r"\n"),
            plain => escaped.push(plain),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped_where_they_must_be_and_nowhere_else() {
        let check = |value: &str, expect: &str| assert_eq!(escaped(value), expect, "{value:?}");
        check("nightly:backup", "nightly:backup");
        check("a\"b", r#"a\"b"#);
        check(r"a\b", r"a\\b");
        check("a\nb", r"a\nb");
        check("\\n", r"\\n");
        check("\"},x 1\n", "\\\"},x 1\\n");
        check("é\t\u{1b}\r{}", "é\t\u{1b}\r{}");
        check("", "");
    }

    #[test]
    fn the_text_has_help_and_type_before_the_numbers_and_nothing_else() {
        let families = [
            Family {
                name: "runs_total",
                kind: Kind::Counter,
                help: "Runs.",
                samples: vec![
                    Sample::new([("status", "failed")], 0),
                    Sample::new([("status", "a \"b\"\n"), ("of", "x\\")], u64::MAX),
                ],
            },
            Family { name: "left_out", kind: Kind::Gauge, help: "None.", samples: Vec::new() },
            Family {
                name: "up",
                kind: Kind::Gauge,
                help: "Up.",
                samples: vec![Sample::new([], 1)],
            },
        ];
        assert_eq!(
            encode(&families),
            r#"# HELP runs_total Runs.
# TYPE runs_total counter
runs_total{status="failed"} 0
runs_total{of="x\\",status="a \"b\"\n"} 18446744073709551615
# HELP up Up.
# TYPE up gauge
up 1
"#
        );
    }
}
