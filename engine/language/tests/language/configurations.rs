//! From `holdfast.yaml` to what it says, and its paths to absolute ones.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_kernel::definition::{SecretReference, Writes};
use holdfast_kernel::id::Millis;
use holdfast_language::Source;
use holdfast_language::configuration::{
    Allow, AllowedCommand, Configuration, FilesConfiguration, Limits, RepositoryConfiguration,
    Retention, StateConfiguration, TargetConfiguration, TargetKind, read,
};

fn read_body(body: &str) -> Configuration {
    read(&Source::new("holdfast.yaml", format!("holdfast_config: 1\n{body}"))).unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn nothing_is_what_holds_without_a_file() {
    let without = Configuration::default();
    assert_eq!(read_body(""), without);
    assert_eq!(
        without.limits,
        Limits { runs: 32, attempts: 64, attempts_for_a_target: 16, reserve_mib: 256 }
    );
    assert!(without.allow.commands.is_empty() && without.allow.exports.is_empty());
    assert_eq!(without.default_repository(), None);
}

#[test]
fn every_key_is_read() {
    let configuration = read_body(
        r#"repository:
  path: ./backups
  password: { file: ./backups.key }
targets:
  documents:
    kind: files
    root: documents
    include: [reports, "/a/b/"]
    exclude: ["**/*.tmp", "{x,y}/[0-9]?"]
    one_file_system: false
    restore: { approval: [approver] }
    labels: { team: office }
  all: { kind: files, root: / }
retention: { last: 7, hourly: 1, daily: 14, weekly: 8, monthly: 12, yearly: 3, within: 30d }
roles: { approver: [ann, bob] }
allow:
  commands:
    - /usr/bin/psql
    - { path: /usr/bin/pg_dump, writes: nothing }
    - { path: /usr/bin/rsync, writes: local }
  exports: [/srv/exports, exports]
limits: { attempts: 8, reserve_mib: 1024 }
state: { keep_runs: 180d, keep_ticks: 30d }
"#,
    );
    let files = |root: &str| FilesConfiguration {
        root: text(root),
        include: Vec::new(),
        exclude: Vec::new(),
        one_file_system: true,
    };
    let documents = FilesConfiguration {
        include: vec![text("reports"), text("/a/b/")],
        exclude: vec![text("**/*.tmp"), text("{x,y}/[0-9]?")],
        one_file_system: false,
        ..files("documents")
    };
    let target = |files, labels: &[(&str, &str)]| TargetConfiguration {
        approval: if labels.is_empty() { Vec::new() } else { vec![text("approver")] },
        labels: labels.iter().map(|(name, value)| (text(name), text(value))).collect(),
        kind: TargetKind::Files(files),
    };
    let command = |path: &str, writes| AllowedCommand { path: text(path), writes };
    let repository = RepositoryConfiguration {
        path: text("./backups"),
        password: SecretReference::File(text("./backups.key")),
    };
    let expect = Configuration {
        repositories: BTreeMap::from([(text("default"), repository)]),
        targets: BTreeMap::from([
            (text("all"), target(files("/"), &[])),
            (text("documents"), target(documents, &[("team", "office")])),
        ]),
        roles: BTreeMap::from([(text("approver"), vec![text("ann"), text("bob")])]),
        allow: Allow {
            commands: vec![
                command("/usr/bin/psql", Writes::Target),
                command("/usr/bin/pg_dump", Writes::Nothing),
                command("/usr/bin/rsync", Writes::Local),
            ],
            exports: vec![text("/srv/exports"), text("exports")],
        },
        limits: Limits { attempts: 8, reserve_mib: 1_024, ..Limits::default() },
        retention: Some(Retention {
            last: Some(7),
            hourly: Some(1),
            daily: Some(14),
            weekly: Some(8),
            monthly: Some(12),
            yearly: Some(3),
            within: Some(Millis(30 * 86_400_000)),
        }),
        state: StateConfiguration {
            keep_runs: Some(Millis(180 * 86_400_000)),
            keep_notifications: None,
            keep_ticks: Some(Millis(30 * 86_400_000)),
        },
        // Channels, rules and the service have tests of their own.
        ..Configuration::default()
    };
    assert_eq!(configuration, expect);
}

#[test]
fn paths_become_absolute_against_the_folder_of_the_file() {
    let resolved = read_body(
        "repositories:\n  default: { path: backups, password: { file: keys/a } }\n  \
         other: { path: /srv/backups, password: { command: [/usr/bin/pass, a/b] } }\n  \
         third: { path: ../third, password: { env: THIRD } }\n\
         targets:\n  documents: { kind: files, root: ./documents, exclude: [a/b] }\n\
         allow: { commands: [/usr/bin/psql], exports: [out, /srv/out] }\n",
    )
    .resolved_against(Path::new("/etc/holdfast"))
    .unwrap();
    let paths: Vec<&str> = resolved.repositories.values().map(|r| r.path.as_str()).collect();
    assert_eq!(paths, ["/etc/holdfast/backups", "/srv/backups", "/etc/holdfast/../third"]);
    let passwords: Vec<&SecretReference> =
        resolved.repositories.values().map(|r| &r.password).collect();
    assert_eq!(
        passwords,
        [
            &SecretReference::File(text("/etc/holdfast/keys/a")),
            &SecretReference::Command(vec![text("/usr/bin/pass"), text("a/b")]),
            &SecretReference::Env(text("THIRD")),
        ]
    );
    let TargetKind::Files(files) = &resolved.targets["documents"].kind;
    assert_eq!(
        (files.root.as_str(), &files.exclude),
        ("/etc/holdfast/documents", &vec![text("a/b")])
    );
    assert_eq!(resolved.targets["documents"].kind.word(), "files");
    assert_eq!(resolved.allow.exports, ["/etc/holdfast/out", "/srv/out"]);
}

#[test]
fn the_default_repository_is_the_one_of_that_name_or_the_only_one() {
    let check = |repositories: &str, expect: &str| {
        let configuration = read_body(repositories);
        assert_eq!(configuration.default_repository().map(|(name, _)| name), Some(expect));
    };
    check("repository: { path: a, password: { env: A } }\n", "default");
    check("repositories: { near: { path: a, password: { env: A } } }\n", "near");
    let near = "near: { path: a, password: { env: A } }";
    check(
        &format!("repositories:\n  a{near}\n  default: {{ path: b, password: {{ env: A }} }}\n"),
        "default",
    );
}
