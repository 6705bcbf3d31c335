//! Channels, rules of `notify` and the service with mistakes: each is told at its place, with what to do.

use holdfast_language::render::Colour;
use holdfast_language::{Source, configuration};

use crate::bad_configurations::told;

/// Checks what is told about a file with the usual head: code, the text that it is about, message and remedy,
/// each up to where the expectation ends.
fn check(body: &str, expect: &[&str]) {
    let text = format!("holdfast_config: 1\n{body}");
    let found: Vec<String> = told(&text)
        .iter()
        .map(|found| {
            let place = text.get(found.location.span.range()).unwrap_or_default();
            let remedy = found.remedy.as_deref().unwrap_or_default();
            format!("{} |{place}| {} {remedy}", found.code, found.message)
        })
        .collect();
    let fits = found.iter().zip(expect).all(|(found, expect)| found.starts_with(*expect));
    assert!(fits && found.len() == expect.len(), "{body}: {found:#?}, and not {expect:#?}");
}

/// Checks the one thing that is told about a file, or that there is none where nothing is expected.
fn check_one(body: &str, expect: &str) {
    if expect.is_empty() {
        check(body, &[]);
    } else {
        check(body, &[expect]);
    }
}

/// A file with one channel of these keys, which a rule names.
fn with_channel(keys: &str) -> String {
    format!(
        "channels:\n  a: {{ {keys} }}\nnotify: [{{ channel: a }}]\nallow: {{ commands: [/bin/page] }}\n"
    )
}

/// A file with one channel `a`, and a rule of these keys.
fn with_rule(keys: &str) -> String {
    format!("channels: {{ a: {{ kind: slack, url: {{ env: A }} }} }}\nnotify: [{{ {keys} }}]\n")
}

#[test]
fn channels_are_told_apart_by_their_kind() {
    for (keys, expect) in [
        ("kind: slack, url: { env: A }", ""),
        (
            "url: { env: A }",
            "HF0103 |a| The key `kind` of the channel `a` is missing. Choose one of `webhook`, `slack`, `teams`, \
             `ntfy`, `mail`, `command`.",
        ),
        ("kind: [slack]", "HF0104 |[slack| Here stands a list, and a word is wanted."),
        ("kind: email", "HF0105 |email| There are no channels of the kind `email`. Write `mail`."),
        ("kind: http", "HF0105 |http| There are no channels of the kind `http`. Write `webhook`."),
        (
            "kind: msteams",
            "HF0105 |msteams| There are no channels of the kind `msteams`. Write `teams`.",
        ),
        ("kind: exec", "HF0105 |exec| There are no channels of the kind `exec`. Write `command`."),
        (
            "kind: webhok",
            "HF0105 |webhok| There are no channels of the kind `webhok`. Did you mean `webhook`?",
        ),
        (
            "kind: pigeon",
            "HF0105 |pigeon| There are no channels of the kind `pigeon`. Choose one of",
        ),
        (
            "kind: slack, url: { env: A }, headers: {}",
            "HF0101 |headers| `headers` is not a key of a channel of the kind `slack`.",
        ),
        (
            "kind: slack, url: { env: A }, give_up_after: 59s",
            "HF0109 |59s| `give_up_after` is between 1m and 30d. Choose a value in that range.",
        ),
        ("kind: slack, url: { env: A }, give_up_after: 31d", "HF0109 |31d|"),
        ("kind: slack, url: { env: A }, give_up_after: 5", "HF0108 |5|"),
    ] {
        check_one(&with_channel(keys), expect);
    }
    check(
        "channels: { a: slack }\nnotify: [{ channel: a }]\n",
        &["HF0104 |slack| Here stands a string"],
    );
    check("channels: [a]\n", &["HF0104 |[a| Here stands a list, and a map is wanted."]);
    check("channels: {}\nnotify: []\n", &[]);
}

#[test]
fn a_channel_has_a_name_of_its_own() {
    let named = |name: &str| format!("channels:\n  {name}: {{ kind: slack, url: {{ env: A }} }}\n");
    let rule = |name: &str| format!("notify: [{{ channel: {name} }}]\n");
    check(&format!("{}{}", named("a_1"), rule("a_1")), &[]);
    check(&format!("{}{}", named("Ops"), rule("Ops")), &["HF0107 |Ops| `Ops` is no name."]);
    let expect = "HF0612 |inbox| `inbox` is always there. Give the channel another name.";
    check(&named("inbox"), &[expect]);
}

#[test]
fn what_a_webhook_is_called_by_is_an_address_or_where_one_is_found() {
    let url = |url: &str| with_channel(&format!("kind: webhook, url: {url}"));
    for fine in [
        "\"https://example.org\"",
        "\"http://localhost:8080/a?b=c@d#e\"",
        "\"https://[::1]/a\"",
        "{ env: A }",
        "{ file: ./a }",
        "{ command: [/bin/pass, a] }",
    ] {
        check(&url(fine), &[]);
    }
    check(
        &with_channel("kind: webhook"),
        &["HF0103 |kind| The key `url` of a channel of the kind"],
    );
    for (written, expect) in [
        (
            "example.org/a",
            "HF0609 |example.org/a| An address of the web starts with `https://` or `http://` and a host. Write it as",
        ),
        ("\"ftp://example.org\"", "HF0609 |\"ftp://example.org\"| An address of the web"),
        ("\"https://\"", "HF0609 |\"https://\"| An address of the web"),
        ("\"https:///a\"", "HF0609 |\"https:///a\"| An address of the web"),
        ("\"https://:80\"", "HF0609 |\"https://:80\"| An address of the web"),
        ("\"https://a b\"", "HF0609 |\"https://a b\"| An address has no spaces"),
        ("\"\"", "HF0609 |\"\"| An address of the web"),
        ("$HOOK", "HF0609 |$HOOK| Variables are not expanded"),
        ("\"https://{{ x }}\"", "HF0405 |\"https://{{ x }}\"| A template is not allowed here"),
        ("5", "HF0104 |5| Here stands an integer"),
        ("{ env: A, file: b }", "HF0111 |url| The secret `url` has one of"),
        ("{ env: a-b }", "HF0107 |a-b|"),
        ("{ file: ~/a }", "HF0602 |~/a| `~` is not expanded"),
        ("{ command: [pass] }", "HF0603 |pass| `pass` is not the absolute path of a program."),
    ] {
        check(&url(written), &[expect]);
    }
}

#[test]
fn headers_are_texts_in_one_line_or_where_these_are_found() {
    for (headers, expect) in [
        ("{ X-Team: a, X-Key: { env: B } }", ""),
        ("{}", ""),
        ("[a]", "HF0104 |[a| Here stands a list, and a map is wanted."),
        (
            "{ \"a b\": c }",
            "HF0107 |\"a b\"| `a b` is no name of a header. Use letters, digits and `-`.",
        ),
        ("{ a: 5 }", "HF0104 |5| Here stands an integer, and text or `{ env: NAME }` is wanted."),
        ("{ a: [b] }", "HF0104 |[b| Here stands a list, and text or `{ env: NAME }` is wanted."),
        ("{ a: \"b\\n\" }", "HF0104 |\"b\\n\"| A header has one line."),
        ("{ a: { evn: B } }", "HF0101 |evn| `evn` is not a key of a secret. Did you mean `env`?"),
        ("{ a: { file: \"\" } }", "HF0602 |\"\"| The path is empty."),
    ] {
        let keys = format!("kind: webhook, url: {{ env: A }}, headers: {headers}");
        check_one(&with_channel(&keys), expect);
    }
}

#[test]
fn a_secret_of_a_channel_is_not_written_into_the_file_and_not_shown() {
    let mail = "kind: mail, from: a@b, to: [c@d]";
    for keys in [
        "kind: slack, url: \"https://hooks.example.org/tröub4dor\"",
        "kind: teams, url: \"https://hooks.example.org/tröub4dor\"",
        "kind: webhook, url: \"https://ann:tröub4dor@example.org/a\"",
        "kind: webhook, url: \"https://tröub4dor@example.org\"",
        "kind: webhook, url: { env: A }, secret: tröub4dor",
        "kind: webhook, url: { env: A }, headers: { Authorization: Bearer tröub4dor }",
        "kind: webhook, url: { env: A }, headers: { proxy-authorization: tröub4dor }",
        "kind: webhook, url: { env: A }, headers: { COOKIE: tröub4dor }",
        "kind: ntfy, topic: a, server: \"https://ann:tröub4dor@ntfy.example.org\"",
        "kind: ntfy, topic: a, token: tröub4dor",
        &format!("{mail}, host: m, user: ann, password: tröub4dor"),
        &format!("{mail}, host: \"smtp://ann:tröub4dor@mail.example.org\""),
    ] {
        let text = format!("holdfast_config: 1\n{}", with_channel(keys));
        let source = Source::new("holdfast.yaml", text);
        let found = configuration::read(&source).unwrap_err();
        let [found] = found.as_slice() else { panic!("{keys}: {found:#?}") };
        assert_eq!(found.code.number(), "HF0606", "{keys}");
        assert!(found.remedy.is_some(), "{keys}");
        let shown = [found.render(&source, Colour::None), found.to_json().to_string()];
        assert!(shown.iter().all(|shown| !shown.contains("tröub")), "{shown:#?}");
    }
    check(
        &with_channel("kind: slack, url: a"),
        &[
            "HF0606 |a| A secret is not written into the file. Write where it is found: `{ env: NAME }`, `{ file: PATH }`",
        ],
    );
    check(
        &with_channel("kind: webhook, url: \"https://ann:b@c\""),
        &[
            "HF0606 |\"https://ann:b@c\"| An address with a user or a password in it is a secret. Write where",
        ],
    );
}

#[test]
fn a_topic_has_a_name_and_its_server_an_address() {
    for (keys, expect) in [
        ("topic: a-B_1", ""),
        ("server: \"https://ntfy.example.org\", topic: { env: A }", ""),
        (
            "server: \"https://a\"",
            "HF0103 |kind| The key `topic` of a channel of the kind `ntfy` is missing.",
        ),
        (
            "topic: a/b",
            "HF0107 |a/b| `a/b` is no topic. Use letters, digits, `-` and `_`, at most 64.",
        ),
        ("topic: \"\"", "HF0107 |\"\"|"),
        ("topic: 5", "HF0104 |5| Here stands an integer, and text or `{ env: NAME }` is wanted."),
        ("topic: { file: ~a }", "HF0602 |~a|"),
        ("topic: a, server: ntfy.sh", "HF0609 |ntfy.sh| An address of the web starts with"),
        ("topic: a, server: \"https://ntfy.example.org:8080/\"", ""),
        (
            "topic: a, server: \"https://ntfy.example.org/a\"",
            "HF0609 |\"https://ntfy.example.org/a\"| The address of an ntfy server ends with its host. Write it as",
        ),
        (
            "topic: a, server: \"https://{{ x }}\"",
            "HF0609 |\"https://{{ x }}\"| There are no templates",
        ),
        (
            "topic: a, server: { env: A }",
            "HF0104 |{ env: A| Here stands a map, and text is wanted.",
        ),
        ("topic: a, token: { env: A, file: b }", "HF0111 |token|"),
    ] {
        check_one(&with_channel(&format!("kind: ntfy, {keys}")), expect);
    }
    let long = "a".repeat(65);
    check(&with_channel(&format!("kind: ntfy, topic: {long}")), &["HF0107"]);
}

#[test]
fn mail_has_a_server_and_people_and_does_not_go_in_the_clear() {
    let to = "from: a@b, to: [c@d]";
    let host = "host: mail.example.org";
    for (keys, expect) in [
        (format!("{host}, {to}"), ""),
        (format!("{host}, {to}, user: a, password: {{ env: P }}, tls: implicit, port: 465"), ""),
        (format!("host: localhost, {to}, tls: none"), ""),
        (
            format!("host: \"mail.example.org:587\", {to}"),
            "HF0610 |\"mail.example.org:587\"| `mail.example.org:587` is no host. Write the host alone, and its port",
        ),
        (
            format!("host: \"smtp://mail.example.org\", {to}"),
            "HF0610 |\"smtp://mail.example.org\"| `smtp://mail.example.org` is no host. Write its name",
        ),
        (format!("host: \"\", {to}"), "HF0610 |\"\"| `` is no host."),
        (format!("{host}, {to}, port: 0"), "HF0109 |0| `port` is between 1 and 65535."),
        (format!("{host}, {to}, port: 65536"), "HF0109 |65536|"),
        (format!("{host}, {to}, tls: ssl"), "HF0105 |ssl| `ssl` is not one of the words"),
        (
            format!("{host}, {to}, tls: none"),
            "HF0615 |none| `mail.example.org` is another machine, and mail to it would go in the clear. Write `starttls`",
        ),
        (
            format!("{host}, {to}, user: a"),
            "HF0111 |user| `user` makes sense only with `password`. Add `password: { env: NAME }`, or leave `user` out.",
        ),
        (
            format!("{host}, {to}, password: {{ env: A }}"),
            "HF0111 |password| `password` makes sense only with `user`. Add `user:`, or leave `password` out.",
        ),
        (format!("{host}, from: ann, to: [c@d]"), "HF0610 |ann| `ann` is no address of mail."),
        (format!("{host}, from: a@b@c, to: [c@d]"), "HF0610 |a@b@c|"),
        (format!("{host}, from: a@b, to: [ann, c@d]"), "HF0610 |ann| `ann` is no address of mail."),
        (format!("{host}, from: a@b, to: []"), "HF0109 |[]| Nobody gets the mail."),
        (
            format!("{host}, from: a@b, to: c@d"),
            "HF0104 |c@d| Here stands a string, and a list is wanted.",
        ),
    ] {
        check_one(&with_channel(&format!("kind: mail, {keys}")), expect);
    }
    let missing =
        |key: &str| format!("HF0103 |kind| The key `{key}` of a channel of the kind `mail`");
    let expect = ["from", "host", "to"].map(missing);
    check(&with_channel("kind: mail"), &expect.each_ref().map(String::as_str));
}

#[test]
fn a_channel_runs_only_what_may_be_executed() {
    for (command, expect) in [
        ("[/bin/page]", ""),
        ("[/bin//page, night, \"\"]", ""),
        ("page", "HF0104 |page| Here stands a string, and a list is wanted."),
        ("[]", "HF0109 |[]| The command has no program."),
        ("[page]", "HF0603 |page| `page` is not the absolute path of a program."),
        ("[/bin/page, 5]", "HF0104 |5| Here stands an integer, and text is wanted."),
        (
            "[/bin/other, night]",
            "HF0613 |/bin/other| `/bin/other` is not one of the programs that may be executed. Add `/bin/other` to the list",
        ),
    ] {
        check_one(&with_channel(&format!("kind: command, command: {command}")), expect);
    }
    check(&with_channel("kind: command"), &["HF0103 |kind| The key `command` of a channel"]);
}

#[test]
fn a_channel_without_a_rule_is_a_warning() {
    let channels =
        "channels: { a: { kind: slack, url: { env: A } }, b: { kind: slack, url: { env: B } } }\n";
    let without = |name: &str| {
        format!(
            "HF0614 |{name}| No rule of `notify` names the channel `{name}`: only a `notify` step of a workflow can use \
             it. Add `- {{ channel: {name} }}` to `notify`, or leave the channel out if no workflow uses it."
        )
    };
    let (a, b) = (without("a"), without("b"));
    check(channels, &[&a, &b]);
    check(&format!("{channels}notify: [{{ channel: a }}]\n"), &[&b]);
    check(&format!("{channels}notify: [{{ channel: a }}, {{ channel: b }}]\n"), &[]);
    let source = Source::new("holdfast.yaml", format!("holdfast_config: 1\n{channels}"));
    assert_eq!(configuration::read(&source).unwrap().warnings.len(), 2);
    // What a rule means that cannot be read is not known.
    check(&format!("{channels}notify: [{{ channel: c }}]\n"), &["HF0611 |c|"]);
    check(&format!("{channels}notify: {{ channel: a }}\n"), &["HF0104 |{ channel: a|"]);
}

#[test]
fn a_rule_names_a_channel_that_is_declared() {
    for (keys, expect) in [
        ("channel: a", ""),
        ("channel: b", "HF0611 |b| There is no channel `b`. Choose one of `a`."),
        (
            "channel: inbox",
            "HF0612 |inbox| Every notification is in the inbox anyway. Leave the rule out, or name another channel.",
        ),
        ("channel: [a]", "HF0104 |[a| Here stands a list, and text is wanted."),
        ("on: [failed]", "HF0103 |on| The key `channel` of a rule of `notify` is missing."),
    ] {
        check_one(&with_rule(keys), expect);
    }
    check(
        &with_rule("channels: [a]"),
        &[
            "HF0101 |channels| `channels` is not a key of a rule of `notify`. Did you mean `channel`?",
            "HF0103",
        ],
    );
    check(
        "channels: { ops: { kind: slack, url: { env: A } } }\nnotify: [{ channel: opps }]\n",
        &["HF0611 |opps| There is no channel `opps`. Did you mean `ops`?"],
    );
    check(
        "notify: [{ channel: ops }]\n",
        &["HF0611 |ops| There is no channel `ops`. Declare `ops` under `channels`."],
    );
    check("notify: [ops]\n", &["HF0104 |ops| Here stands a string, and a map is wanted."]);
}

#[test]
fn a_rule_is_for_occasions_and_runs_that_there_are() {
    for (keys, expect) in [
        ("on: [failed]", ""),
        (
            "on: failed",
            "HF0104 |failed| Here stands a string, and a list is wanted. Write `[failed]`.",
        ),
        ("on: [broken]", "HF0105 |broken| `broken` is not one of the words"),
        (
            "on: [failled]",
            "HF0105 |failled| `failled` is not one of the words that are allowed here. Did you mean `failed`?",
        ),
        ("on: []", "HF0109 |[]| The rule is for no occasion."),
        (
            "operations: [backups]",
            "HF0105 |backups| `backups` is not one of the words that are allowed here. Did you mean `backup`?",
        ),
        ("operations: []", ""),
        ("workflows: [files/*, \"**\"]", ""),
        ("workflows: [\"[a\"]", "HF0604 |\"[a\"| `[a` is no pattern: unclosed character class"),
        ("workflows: [\"\"]", "HF0604 |\"\"| The pattern is empty. Write `**` for every name."),
        (
            "workflows: [/files/*]",
            "HF0604 |/files/*| `/files/*` matches nothing: no name starts or ends with `/`.",
        ),
        ("workflows: [files/]", "HF0604 |files/| `files/` matches nothing"),
        ("targets: [\"{a\"]", "HF0604 |\"{a\"| `{a` is no pattern: unclosed alternate group"),
        ("targets: office", "HF0104 |office| Here stands a string, and a list is wanted."),
        ("on: [late], workflows: [a]", ""),
        ("on: [late, failed], operations: [backup]", ""),
        ("operations: [backup], targets: [b]", ""),
        (
            "on: [late, schedule, channel], operations: [backup]",
            "HF0617 |on| Nothing of this is about a run, and with `operations` or `targets` a rule is for runs alone. Leave",
        ),
        ("on: [late], targets: [b]", "HF0617 |on|"),
    ] {
        check_one(&with_rule(&format!("channel: a, {keys}")), expect);
    }
}

#[test]
fn quiet_hours_are_times_of_the_day_and_a_digest_has_a_length() {
    for (keys, expect) in [
        ("quiet: { from: \"22:00\", to: \"07:00\" }", ""),
        ("quiet: { from: \"07:00\", to: \"22:00\", except: [] }", ""),
        ("quiet: { from: \"22:00\" }", "HF0103 |from| The key `to` of `quiet` is missing."),
        (
            "quiet: { from: 22, to: \"07:00\" }",
            "HF0104 |22| Here stands an integer, and text is wanted. Put it into quotes.",
        ),
        (
            "quiet: { from: \"22:00\", to: \"24:00\" }",
            "HF0616 |\"24:00\"| `24:00` is no time of the day. Write hours and minutes, from `\"00:00\"` to `\"23:59\"`.",
        ),
        ("quiet: { from: 10pm, to: \"07:00\" }", "HF0616 |10pm| `10pm` is no time of the day."),
        (
            "quiet: { from: \"07:00\", to: 07:00 }",
            "HF0616 |07:00| The quiet hours end when they begin. Write another time, or leave `quiet` out.",
        ),
        (
            "quiet: { from: \"22:00\", to: \"07:00\", timezone: Europe/Berln }",
            "HF0703 |Europe/Berln| There is no time zone `Europe/Berln`. Did you mean `Europe/Berlin`?",
        ),
        (
            "quiet: { from: \"22:00\", to: \"07:00\", timezone: Middle/Earth }",
            "HF0703 |Middle/Earth|",
        ),
        ("quiet: { from: \"22:00\", to: \"07:00\", except: [failure] }", "HF0105 |failure|"),
        ("quiet: night", "HF0104 |night| Here stands a string, and a map is wanted."),
        ("digest: 10s", ""),
        ("digest: 24h", ""),
        ("digest: 9s", "HF0109 |9s| `digest` is between 10s and 1d. Choose a value in that range."),
        ("digest: 25h", "HF0109 |25h|"),
        ("digest: 5", "HF0108 |5|"),
    ] {
        check_one(&with_rule(&format!("channel: a, {keys}")), expect);
    }
}

#[test]
fn the_service_has_a_file_a_form_and_a_grace() {
    for (body, expect) in [
        ("service: {}", ""),
        ("service: { metrics_file: m.prom, log: json, drain_grace: 0s }", ""),
        ("service: { drain_grace: 1h }", ""),
        ("service: { metrics_file: ~/m.prom }", "HF0602 |~/m.prom| `~` is not expanded in a path."),
        ("service: { log: xml }", "HF0105 |xml| `xml` is not one of the words"),
        ("service: { drain_grace: 61m }", "HF0109 |61m| `drain_grace` is between 0s and 1h."),
        (
            "service: { logs: text }",
            "HF0101 |logs| `logs` is not a key of `service`. Did you mean `log`?",
        ),
        ("state: { keep_ticks: 30d }", ""),
        ("state: { keep_ticks: 30 }", "HF0108 |30|"),
    ] {
        check_one(&format!("{body}\n"), expect);
    }
}
