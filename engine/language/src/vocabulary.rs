//! The filters, tests and functions that expressions have: these and no others.
//!
//! All of them give the same value for the same input, whatever the time, the machine or the locale.

/// The filters. Sorted.
pub(crate) const FILTERS: &[&str] = &[
    "abs",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// The filters that the engine has and the language does not: they are about HTML, or show internals.
pub(crate) const REMOVED_FILTERS: &[&str] = &["attr", "e", "escape", "pprint", "safe"];

/// The tests. Sorted.
pub(crate) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// The functions that the engine has and the language does not.
pub(crate) const REMOVED_FUNCTIONS: &[&str] = &["debug", "dict", "namespace"];

/// The only function.
pub(crate) const RANGE: &str = "range";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_the_engine_knows_every_name() {
        assert!(FILTERS.is_sorted() && TESTS.is_sorted());
        let engine = minijinja::Environment::new();
        for name in FILTERS.iter().filter(|name| **name != "tojson") {
            let text = format!("'{name}' is filter");
            assert!(
                engine.compile_expression(&text).unwrap().eval(()).unwrap().is_true(),
                "{name}"
            );
        }
        for name in TESTS {
            let text = format!("'{name}' is test");
            assert!(
                engine.compile_expression(&text).unwrap().eval(()).unwrap().is_true(),
                "{name}"
            );
        }
    }
}
