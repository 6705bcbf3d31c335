//! Commands: what a program is given, and what its end means. How one is ended that hangs is in `hanging`.

use holdfast_channels::{Channel, Command, Outgoing, Undelivered, Unfit};
use serde_json::{Value, json};

use crate::home::Home;
use crate::kit::{self, HOSTILE, NOW, failed};
use crate::receiver::Receiver;

async fn told(channel: &Channel, outgoing: &Outgoing) -> Result<(), Undelivered> {
    let client = kit::client();
    kit::within(channel.deliver(outgoing, &client, NOW)).await
}

/// The body that a webhook is sent.
async fn posted(outgoing: &Outgoing) -> String {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
    let delivered = channel.deliver(outgoing, &client, NOW);
    kit::meet(delivered, receiver.answer("200 OK", "")).await.1.body
}

#[tokio::test]
async fn a_program_is_given_the_notification_its_arguments_and_nothing_else() {
    let home = Home::new();
    let script = r#"
        cat > "$1/body"
        cat "/proc/$$/environ" > "$1/environment"
        printf %s "$2" > "$1/argument"
        printf %s "$PWD" > "$1/place"
    "#;
    let argument = "$(exit 1) `exit 1`; * \"'\n";
    let outgoing = kit::outgoing();
    assert_eq!(told(&home.channel(script, argument), &outgoing).await, Ok(()));
    assert_eq!(home.left("body"), posted(&outgoing).await);
    assert_eq!(home.left("argument"), argument);
    assert_eq!(home.left("place"), "/");
    let environment = home.left("environment");
    let mut environment: Vec<&str> = environment.split_terminator('\0').collect();
    environment.sort_unstable();
    assert_eq!(
        environment,
        [
            "HOLDFAST_LEVEL=warning",
            "HOLDFAST_NOTIFICATION=note_0123456789abcdef",
            "HOLDFAST_TITLE=A backup is not whole",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    );
}

#[tokio::test]
async fn hostile_text_is_one_clean_line_in_the_environment_and_escaped_in_the_body() {
    let home = Home::new();
    let script = r#"
        cat > "$1/body"
        printf %s "$HOLDFAST_TITLE" > "$1/title"
        printf %s "$HOLDFAST_NOTIFICATION" > "$1/id"
    "#;
    let outgoing = Outgoing { id: format!("note_1\0{HOSTILE}"), ..kit::hostile() };
    assert_eq!(told(&home.channel(script, ""), &outgoing).await, Ok(()));
    let title = home.left("title");
    assert!(title.starts_with("a\u{fffd}[31mb Bcc: evil@example.org\u{fffd}<!channel>"), "{title}");
    let id = home.left("id");
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let body: Value = serde_json::from_str(&home.left("body")).unwrap();
    assert_eq!(body["title"], json!(HOSTILE));
}

#[tokio::test]
async fn a_title_that_no_environment_takes_is_cut_there() {
    let home = Home::new();
    let script = r#"cat > "$1/body"; printf %s "$HOLDFAST_TITLE" > "$1/title""#;
    let outgoing = Outgoing { title: "é".repeat(200_000), ..kit::outgoing() };
    assert_eq!(told(&home.channel(script, ""), &outgoing).await, Ok(()));
    assert_eq!(home.left("title"), format!("{}…", "é".repeat(199)));
    let body: Value = serde_json::from_str(&home.left("body")).unwrap();
    assert_eq!(body["title"], json!(outgoing.title));
}

#[tokio::test]
async fn an_end_says_whether_it_is_delivered() {
    let check = async |script: &str, expect: Result<(), Undelivered>| {
        let verdict = told(&Home::new().channel(script, ""), &kit::outgoing()).await;
        assert_eq!(verdict, expect, "{script}");
    };
    check("exit 0", Ok(())).await;
    check("echo no >&2; exit 0", Ok(())).await;
    check("exit 1", failed("/bin/sh ended with exit code 1")).await;
    check("echo no; exit 255", failed("/bin/sh ended with exit code 255")).await;
    let later = "/bin/sh asks to be tried again later (exit code 75)";
    check("exit 75", failed(later)).await;
    check("echo busy >&2; exit 75", failed(&format!("{later}: busy"))).await;
    check("kill -9 $$", failed("/bin/sh was ended by signal 9")).await;
    check("echo ouch >&2; kill -15 $$", failed("/bin/sh was ended by signal 15: ouch")).await;
}

#[tokio::test]
async fn the_first_line_of_standard_error_is_shown_in_one_short_line() {
    let check = async |said: &str, expect: &str| {
        let channel = Home::new().channel(r#"printf %s "$2" >&2; exit 3"#, said);
        let expect = format!("/bin/sh ended with exit code 3{expect}");
        assert_eq!(told(&channel, &kit::outgoing()).await, failed(&expect), "{said:?}");
    };
    check("", "").await;
    check(" \n\n", "").await;
    check(
        "\n no\tsuch \u{1b}[2J\u{7}room\u{202e} \r\nsecond",
        ": no such \u{fffd}[2J\u{fffd}room\u{fffd}",
    )
    .await;
    check("100%\r no", ": 100% no").await;
    check(&"é".repeat(500), &format!(": {}…", "é".repeat(199))).await;
}

#[tokio::test]
async fn a_program_need_not_read_what_it_is_given() {
    let outgoing = kit::endless("a");
    assert!(posted(&outgoing).await.len() > 256 * 1024, "no pipe holds it");
    for script in ["exit 0", "exec 0<&-; exit 0", "head -c 1 > /dev/null; exit 0"] {
        let verdict = told(&Home::new().channel(script, ""), &outgoing).await;
        assert_eq!(verdict, Ok(()), "{script}");
    }
    let verdict = told(&Home::new().channel("exit 3", ""), &outgoing).await;
    assert_eq!(verdict, failed("/bin/sh ended with exit code 3"));
}

#[tokio::test]
async fn a_program_may_say_megabytes_before_it_reads_and_after() {
    let home = Home::new();
    let script = r#"
        head -c 4000000 /dev/zero; head -c 4000000 /dev/zero >&2
        cat > "$1/body"
        head -c 4000000 /dev/zero; head -c 4000000 /dev/zero >&2
        exit "$2"
    "#;
    let outgoing = kit::endless("a");
    assert_eq!(told(&home.channel(script, "0"), &outgoing).await, Ok(()));
    assert_eq!(home.left("body"), posted(&outgoing).await);
    let verdict = told(&home.channel(script, "3"), &outgoing).await;
    let said = format!("{}…", "\u{fffd}".repeat(199));
    assert_eq!(verdict, failed(&format!("/bin/sh ended with exit code 3: {said}")));
}

#[tokio::test]
async fn what_a_program_leaves_running_keeps_nobody_waiting() {
    let check = async |code: &str, expect: Result<(), Undelivered>| {
        // What is left holds standard error, and ends when its home does.
        let home = Home::new();
        let channel = home.channel(r#"exec 4<"$1/pipe"; cat <&4 & echo no >&2; exit "$2""#, code);
        assert_eq!(told(&channel, &kit::outgoing()).await, expect);
    };
    check("0", Ok(())).await;
    check("3", failed("/bin/sh ended with exit code 3: no")).await;
}

#[tokio::test]
async fn what_cannot_be_executed_is_said_to_be_so() {
    let check = async |program: &str, expect: &str| {
        let channel = Channel::Command(Command::new(vec![program.to_owned()]).unwrap());
        let expect = format!("{program} cannot be executed: {expect}");
        assert_eq!(told(&channel, &kit::outgoing()).await, failed(&expect));
    };
    check("/nonexistent/page", "No such file or directory (os error 2)").await;
    check("/etc/passwd", "Permission denied (os error 13)").await;
    check("/", "Permission denied (os error 13)").await;
}

#[test]
fn what_names_no_program_is_refused() {
    let check = |argv: &[&str], expect: Option<Unfit>| {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        assert_eq!(Command::new(argv).err(), expect);
    };
    check(&["/usr/local/bin/page", "night", ""], None);
    check(&[], Some(Unfit::NoProgram));
    check(&["", "night"], Some(Unfit::NoProgram));
    check(&["page", "night"], Some(Unfit::NotAbsolute("page".to_owned())));
    check(&["./pa\nge"], Some(Unfit::NotAbsolute("./pa ge".to_owned())));
}

#[tokio::test]
async fn arguments_are_not_repeated() {
    let channel = Home::new().channel("exit 3", "canary");
    let verdict = told(&channel, &kit::outgoing()).await;
    let said = format!("{channel:?} {channel:#?} {verdict:?}");
    assert!(said.contains("Command(/bin/sh, 5 arguments)"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
