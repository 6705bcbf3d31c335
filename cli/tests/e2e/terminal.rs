//! What a terminal shows while a run goes: the steps in their order, how far they are, and what failed.

use crate::home::Home;

const STEPS: &str = r#"holdfast: 1
name: steps
operation: maintenance
inputs:
  count: { type: integer, default: 5 }
steps:
  - id: each
    for_each: { items: "{{ range(inputs.count) | list }}", max_parallel: 1 }
    uses: command
    with: { argv: [/bin/sh, -c, "test $0 != 3", "{{ item }}"] }
  - id: after
    run_when: done
    uses: command
    with: { argv: [/bin/sh, -c, "exit 0"] }
"#;

/// The text of a terminal without what moves its cursor.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            let is_end = |character: &char| character.is_ascii_alphabetic();
            let _skipped = characters.by_ref().find(is_end);
        } else {
            plain.push(if character == '\r' { '\n' } else { character });
        }
    }
    plain
}

#[test]
fn a_terminal_shows_the_steps_and_the_last_failures() {
    let home = Home::new();
    home.write("workflows/steps.yaml", STEPS);
    let said = home.on_a_terminal(&["run", "steps"]).with_code(3);
    let shown = plain(&said.out);
    for expect in [
        "pending, after each",
        "each   partial (5 items: 4 succeeded, 1 failed)",
        "after  succeeded",
        "each[3]#4: the program ended with exit code 1 (permanent)",
        "\npartial\n",
    ] {
        assert!(shown.contains(expect), "{expect} is missing:\n{shown}");
    }
    // In a pipe there are lines, and nothing moves.
    let said = home.holdfast(&["run", "steps", "--input", "count=2"]).with_code(0);
    assert!(said.talk.contains("each: succeeded (2 items: 2 succeeded)\n"), "{said:#?}");
    assert!(!said.talk.contains('\u{1b}') && !said.talk.contains("pending"), "{said:#?}");
}
