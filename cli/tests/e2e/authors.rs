//! What authors see: diagnostics with places and remedies, the list of actions, help.

use crate::home::Home;

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_places() {
    let home = Home::new();
    home.write(
        "bad.yaml",
        "holdfast: 1\nname: bad\noperation: maintenence\nsteps:\n  - id: a\n    uses: comand\n    with: { argv: [df] }\n  - id: b\n    uses: assert\n    needs: [c]\n    with: { that: true }\n",
    );
    let said = home.holdfast(&["validate", "bad.yaml"]).with_code(2);
    for expect in ["bad.yaml:3:12", "bad.yaml:6:11", "bad.yaml:10:13", "did you mean"] {
        assert!(said.talk.to_lowercase().contains(expect), "{expect} is missing:\n{}", said.talk);
    }
    let told = home.holdfast(&["validate", "bad.yaml", "--output", "json"]).with_code(2).json();
    assert!(told.as_array().unwrap().len() >= 3, "{told:#}");
}

#[test]
fn a_valid_file_is_called_valid() {
    let home = Home::new();
    home.write(
        "workflows/good.yaml",
        "holdfast: 1\nname: good\noperation: maintenance\nsteps:\n  - id: a\n    uses: sleep\n    with: { duration: 1s }\n",
    );
    let said = home.holdfast(&["validate"]).with_code(0);
    assert!(said.talk.contains("1 file checked: valid."), "{said:#?}");
}

#[test]
fn actions_are_listed_and_shown() {
    let home = Home::new();
    let listed = home.holdfast(&["actions"]).with_code(0);
    for name in ["assert", "command", "sleep"] {
        assert!(listed.out.lines().any(|line| line.starts_with(name)), "{listed:#?}");
    }
    let shown = home.holdfast(&["actions", "command"]).with_code(0);
    assert!(shown.out.contains("effect: once"), "{shown:#?}");
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let home = Home::new();
    for command in ["serve", "schedules", "ticks"] {
        let said = home.holdfast(&[command]).with_code(2);
        assert!(said.talk.contains(&format!("`holdfast {command}` is not built yet")), "{said:#?}");
    }
    let slip = home.holdfast(&["valdiate"]).with_code(2);
    assert!(slip.talk.contains("Did you mean `holdfast validate`?"), "{slip:#?}");
}
