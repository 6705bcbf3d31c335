//! "Did you mean": the name an author most likely wanted.
//!
//! It knows nothing of what the names mean.

/// The candidate that is close enough to `name` to be meant, if there is one.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters may be wrong: `keep` is not meant by `step`.
    let allowed = ((name.chars().count() + 1) / 3).min(4);
    let mut near: Option<(usize, &str)> = None;
    let mut longer: Option<&str> = None;
    for candidate in candidates {
        let distance = distance(name, candidate);
        if distance <= allowed && near.is_none_or(|best| (distance, candidate) < best) {
            near = Some((distance, candidate));
        }
        // `uppercase` is meant to be `upper`, and `stat` to be `status`.
        let starts = name.starts_with(candidate) || candidate.starts_with(name);
        if starts && name.len().min(candidate.len()) >= 4 {
            longer = Some(candidate);
        }
    }
    near.map(|(_, candidate)| candidate).or(longer)
}

/// How far two names are apart; upper case, `-` and `_` make no difference.
fn distance(name: &str, candidate: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    strsim::osa_distance(&plain(name), &plain(candidate))
}

/// The remedy for a name that is not one of these: the one that was meant, or all of them.
pub(crate) fn remedy(name: &str, candidates: &[&str]) -> String {
    match closest(name, candidates.iter().copied()) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None => one_of(candidates),
    }
}

/// The candidates as a sentence; the first forty if there are more.
pub(crate) fn one_of(candidates: &[&str]) -> String {
    const SHOWN: usize = 40;
    if candidates.is_empty() {
        return "There is none to choose from.".to_owned();
    }
    let mut names: Vec<String> =
        candidates.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if candidates.len() > SHOWN {
        names.push("…".to_owned());
    }
    format!("Choose one of {}.", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let names = ["needs", "run_when", "for_each", "timeout"];
        assert_eq!(closest("need", names), Some("needs"));
        assert_eq!(closest("forEach", names), Some("for_each"));
        assert_eq!(closest("run-when", names), Some("run_when"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(closest("timeout_minutes", names), Some("timeout"));
        assert_eq!(remedy("x", &["a", "b"]), "Choose one of `a`, `b`.");
    }
}
