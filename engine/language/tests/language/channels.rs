//! From `channels`, `notify` and `service` of a configuration to what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use holdfast_calendar::zone::Zone;
use holdfast_kernel::definition::{Operation, SecretReference};
use holdfast_kernel::id::Millis;
use holdfast_language::Source;
use holdfast_language::configuration::{
    Address, ChannelConfiguration, ChannelKind, Configuration, LogForm, MailConfiguration,
    MailLogin, MailTls, NotifyRule, Occasion, Quiet, ServiceConfiguration, read,
};

const DAY: u64 = 86_400;

/// Reads a file with the usual head, in which nothing is wrong.
fn read_body(body: &str) -> Configuration {
    let source = Source::new("holdfast.yaml", format!("holdfast_config: 1\n{body}"));
    let configuration = read(&source).unwrap_or_else(|found| panic!("{body}\n{found:#?}"));
    assert_eq!(configuration.warnings, [], "{body}");
    configuration
}

/// The one channel of a file.
fn channel(keys: &str) -> ChannelConfiguration {
    let body = format!(
        "channels: {{ a: {{ {keys} }} }}\nnotify: [{{ channel: a }}]\nallow: {{ commands: [/bin/page] }}\n"
    );
    read_body(&body).channels.remove("a").unwrap()
}

/// The one rule of a file.
fn rule(keys: &str) -> NotifyRule {
    let body = format!(
        "channels: {{ a: {{ kind: slack, url: {{ env: A }} }} }}\nnotify:\n  - {{ channel: a{keys} }}\n"
    );
    read_body(&body).notify.remove(0)
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn env(name: &str) -> SecretReference {
    SecretReference::Env(text(name))
}

#[test]
fn a_channel_has_what_its_kind_needs() {
    let check = |keys: &str, expect: ChannelKind| {
        let kind = channel(keys).kind;
        assert!(keys.contains(&format!("kind: {}", kind.word())), "{keys}");
        assert_eq!(kind, expect, "{keys}");
    };
    let (token, here) = (Address::Secret(env("T")), Address::Text(text("https://example.org/a")));
    let headers = [("X-Team", Address::Text(text("storage"))), ("Authorization", token)];
    check(
        "kind: webhook, url: \"https://example.org/a\", secret: { file: a }, \
         headers: { X-Team: storage, Authorization: { env: T } }",
        ChannelKind::Webhook {
            url: here,
            secret: Some(SecretReference::File(text("a"))),
            headers: headers.map(|(name, value)| (text(name), value)).into(),
        },
    );
    check(
        "kind: webhook, url: { env: A }",
        ChannelKind::Webhook {
            url: Address::Secret(env("A")),
            secret: None,
            headers: BTreeMap::new(),
        },
    );
    check("kind: slack, url: { env: A }", ChannelKind::Slack { url: env("A") });
    let url = SecretReference::Command(vec![text("/bin/pass"), text("teams")]);
    check("kind: teams, url: { command: [/bin/pass, teams] }", ChannelKind::Teams { url });
    let ntfy =
        |server: &str, topic, token| ChannelKind::Ntfy { server: text(server), topic, token };
    check("kind: ntfy, topic: ops-1", ntfy("https://ntfy.sh", Address::Text(text("ops-1")), None));
    check(
        "kind: ntfy, server: \"http://localhost:8080\", topic: { env: A }, token: { env: B }",
        ntfy("http://localhost:8080", Address::Secret(env("A")), Some(env("B"))),
    );
    let command = vec![text("/bin/page"), text("night")];
    check("kind: command, command: [/bin/page, night]", ChannelKind::Command(command));
}

#[test]
fn mail_goes_over_tls_and_to_the_port_of_it_unless_said_otherwise() {
    let check = |keys: &str, host: &str, tls: MailTls, port: u16| {
        let keys = format!("kind: mail, from: a@b, to: [c@d, e@f], {keys}");
        let expect = MailConfiguration {
            host: text(host),
            port,
            tls,
            login: keys
                .contains("user")
                .then(|| MailLogin { user: text("ann"), password: env("P") }),
            from: text("a@b"),
            to: vec![text("c@d"), text("e@f")],
        };
        assert_eq!(channel(&keys).kind, ChannelKind::Mail(expect), "{keys}");
    };
    check("host: mail.example.org", "mail.example.org", MailTls::Starttls, 587);
    check("host: m, tls: starttls, port: 25", "m", MailTls::Starttls, 25);
    check("host: m, tls: implicit", "m", MailTls::Implicit, 465);
    check("host: 10.0.0.1, user: ann, password: { env: P }", "10.0.0.1", MailTls::Starttls, 587);
    for host in ["localhost", "127.0.0.1", "::1"] {
        check(&format!("host: \"{host}\", tls: none"), host, MailTls::None, 25);
    }
}

#[test]
fn a_channel_gives_up_after_a_day_unless_said_otherwise() {
    let check = |keys: &str, seconds: u64| {
        let channel = channel(&format!("kind: slack, url: {{ env: A }}{keys}"));
        assert_eq!(channel.give_up_after, Millis::seconds(seconds), "{keys}");
    };
    check("", DAY);
    check(", give_up_after: 1m", 60);
    check(", give_up_after: 30d", 30 * DAY);
}

#[test]
fn a_rule_has_what_is_said_and_otherwise_takes_all_that_somebody_should_look_at() {
    let all = NotifyRule {
        on: BTreeSet::from(Occasion::DEFAULT),
        channel: text("a"),
        operations: Vec::new(),
        workflows: Vec::new(),
        targets: Vec::new(),
        quiet: None,
        digest: None,
    };
    let check = |keys: &str, expect: NotifyRule| assert_eq!(rule(keys), expect, "{keys}");
    check("", all.clone());
    let words: Vec<&str> = Occasion::ALL.map(Occasion::word).into();
    let everything = NotifyRule { on: BTreeSet::from(Occasion::ALL), ..all.clone() };
    check(&format!(", on: [{}]", words.join(", ")), everything);
    let on = BTreeSet::from([Occasion::Failed]);
    let operations = vec![Operation::Backup, Operation::Restore];
    let failed = NotifyRule { on, operations, ..all.clone() };
    check(", on: [failed, failed], operations: [backup, restore]", failed);
    check(
        ", workflows: [files/*, \"**\"], targets: [payroll, \"office_{a,b}\"]",
        NotifyRule {
            workflows: vec![text("files/*"), text("**")],
            targets: vec![text("payroll"), text("office_{a,b}")],
            ..all.clone()
        },
    );
    for (digest, seconds) in [("10s", 10), ("24h", DAY)] {
        let digested = NotifyRule { digest: Some(Millis::seconds(seconds)), ..all.clone() };
        check(&format!(", digest: {digest}"), digested);
    }
    let quiet = |from, to, zone, except: &[Occasion]| {
        let except = except.iter().copied().collect();
        NotifyRule { quiet: Some(Quiet { from, to, zone, except }), ..all.clone() }
    };
    check(
        ", quiet: { from: \"22:00\", to: 07:05 }",
        quiet(1_320, 425, Zone::utc(), &[Occasion::Failed]),
    );
    check(
        ", quiet: { from: \"00:00\", to: \"23:59\", timezone: Europe/Berlin, except: [late, waiting] }",
        quiet(
            0,
            1_439,
            Zone::named("Europe/Berlin").unwrap(),
            &[Occasion::Waiting, Occasion::Late],
        ),
    );
    check(
        ", quiet: { from: \"12:00\", to: \"13:00\", except: [] }",
        quiet(720, 780, Zone::utc(), &[]),
    );
}

#[test]
fn the_service_says_what_it_does_as_text_and_ends_after_half_a_minute() {
    let default = ServiceConfiguration {
        metrics_file: None,
        log: LogForm::Text,
        drain_grace: Millis::seconds(30),
    };
    let check = |keys: &str, expect: ServiceConfiguration| {
        assert_eq!(read_body(&format!("service: {{ {keys} }}\n")).service, expect, "{keys}");
    };
    assert_eq!(ServiceConfiguration::default(), default);
    check("", default.clone());
    check("log: text", default.clone());
    check("log: json", ServiceConfiguration { log: LogForm::Json, ..default.clone() });
    let metrics_file = Some(text("metrics.prom"));
    check("metrics_file: metrics.prom", ServiceConfiguration { metrics_file, ..default.clone() });
    for (written, seconds) in [("0s", 0), ("1h", 3_600)] {
        let drain_grace = Millis::seconds(seconds);
        let expect = ServiceConfiguration { drain_grace, ..default.clone() };
        check(&format!("drain_grace: {written}"), expect);
    }
}

#[test]
fn paths_of_channels_and_of_the_service_become_absolute_against_the_folder_of_the_file() {
    let resolved = read_body(
        "channels:\n  \
         a: { kind: webhook, url: { file: a }, secret: { file: b }, headers: { X: { file: c }, Y: d } }\n  \
         b: { kind: slack, url: { file: ./e } }\n  \
         c: { kind: teams, url: { file: /srv/f } }\n  \
         d: { kind: ntfy, topic: { file: g }, token: { file: h } }\n  \
         e: { kind: mail, host: m, user: n, password: { file: i }, from: a@b, to: [c@d] }\n\
         notify: [{ channel: a }, { channel: b }, { channel: c }, { channel: d }, { channel: e }]\n\
         service: { metrics_file: metrics.prom }\n",
    )
    .resolved_against(Path::new("/etc/holdfast"))
    .unwrap();
    let file = |path: &str| SecretReference::File(text(path));
    let address = |path: &str| Address::Secret(file(path));
    let kind = |name: &str| resolved.channels[name].kind.clone();
    let headers = [("X", address("/etc/holdfast/c")), ("Y", Address::Text(text("d")))];
    assert_eq!(
        kind("a"),
        ChannelKind::Webhook {
            url: address("/etc/holdfast/a"),
            secret: Some(file("/etc/holdfast/b")),
            headers: headers.map(|(name, value)| (text(name), value)).into(),
        }
    );
    assert_eq!(kind("b"), ChannelKind::Slack { url: file("/etc/holdfast/e") });
    assert_eq!(kind("c"), ChannelKind::Teams { url: file("/srv/f") });
    let ntfy = ChannelKind::Ntfy {
        server: text("https://ntfy.sh"),
        topic: address("/etc/holdfast/g"),
        token: Some(file("/etc/holdfast/h")),
    };
    assert_eq!(kind("d"), ntfy);
    let ChannelKind::Mail(mail) = kind("e") else { panic!("{resolved:#?}") };
    assert_eq!(mail.login.map(|login| login.password), Some(file("/etc/holdfast/i")));
    assert_eq!(resolved.service.metrics_file.as_deref(), Some("/etc/holdfast/metrics.prom"));
}
