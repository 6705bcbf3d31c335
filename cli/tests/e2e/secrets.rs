//! Secrets are nowhere in clear: not in the journal, the store, a log, or what is printed.

use crate::home::Home;

const CANARY: &str = "canary-7Qx/2 \"sings";

#[test]
fn inv_13_a_secret_is_in_no_file_and_on_no_terminal() {
    let home = Home::new();
    home.write(
        "secret.yaml",
        r#"
holdfast: 1
name: secret
operation: maintenance
secrets:
  token: { env: TOKEN }
steps:
  - id: leak
    uses: command
    env: { TOKEN: "{{ secrets.token }}" }
    with:
      argv: [/bin/sh, -c, "echo \"it is $TOKEN\"; echo \"$TOKEN\" | base64 >&2; cat; exit 3"]
      stdin: "{{ secrets.token }}"
"#,
    );
    let output = home.command(&["run", "secret.yaml"]).env("TOKEN", CANARY).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen = home.state_bytes();
    seen.extend(output.stdout);
    seen.extend(output.stderr);
    seen.extend(home.holdfast(&["logs", "run_"]).with_code(0).out.into_bytes());
    seen.extend(home.holdfast(&["show", "run_"]).with_code(0).out.into_bytes());
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("it is ***"), "the log was kept, masked");
    for form in [CANARY, "Y2FuYXJ5LTdReC8yICJzaW5n", "canary-7Qx"] {
        assert!(!seen.contains(form), "`{form}` is in clear");
    }
}
