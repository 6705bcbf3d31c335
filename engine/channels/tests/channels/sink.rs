//! A mail server that keeps what it is given: EHLO, AUTH, MAIL, RCPT, DATA and QUIT, without TLS.

use std::convert::Infallible;
use std::future::pending;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A mail server on a port of its own.
pub(crate) struct Sink {
    listener: TcpListener,
}

/// What it was given in one connection.
#[derive(Default)]
pub(crate) struct Taken {
    /// The commands in their order.
    pub(crate) commands: Vec<String>,
    /// The mail's headers in their order, each in one line.
    pub(crate) headers: Vec<String>,
    /// The mail's body as it stood there.
    pub(crate) body: Vec<String>,
}

impl Taken {
    /// The value of a header that is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        let mut values = self.headers.iter().filter_map(|header| header.strip_prefix(&start));
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there once");
        value
    }
}

impl Sink {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// What errors call it.
    pub(crate) fn place(&self) -> String {
        format!("the mail server 127.0.0.1:{}", self.port())
    }

    /// Takes one connection until its end. `replies` are for lines that begin so, for `greeting` and for
    /// `content`; to everything else it says what a friendly server says. An empty reply is none.
    pub(crate) async fn take(&self, replies: &[(&str, &str)]) -> Taken {
        let reply = |line: &str| -> String {
            let own = replies.iter().find(|(start, _)| line.starts_with(*start));
            own.map_or_else(|| usual(line).to_owned(), |(_, reply)| (*reply).to_owned())
        };
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut taken = Taken::default();
        say(&mut stream, &reply("greeting")).await;
        while let Some(line) = hear(&mut stream).await {
            let answer = reply(&line);
            taken.commands.push(line);
            say(&mut stream, &answer).await;
            if answer.starts_with("354") {
                read_mail(&mut stream, &mut taken).await;
                say(&mut stream, &reply("content")).await;
            }
        }
        taken
    }

    /// Takes a connection and says nothing.
    pub(crate) async fn keep_silent(&self) -> Infallible {
        let (_stream, _) = self.listener.accept().await.unwrap();
        pending().await
    }
}

fn usual(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "greeting" => "220 sink",
        "EHLO" => "250-sink\r\n250 AUTH PLAIN",
        "AUTH" => "235 welcome",
        "MAIL" | "RCPT" => "250 good",
        "DATA" => "354 go on",
        "content" => "250 taken",
        "QUIT" => "221 bye",
        _ => "500 what",
    }
}

async fn say(stream: &mut BufReader<TcpStream>, reply: &str) {
    if !reply.is_empty() {
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
    }
}

/// A line; none when there are no more.
async fn hear(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.unwrap_or_default();
    (read > 0).then(|| line.trim_end().to_owned())
}

async fn read_mail(stream: &mut BufReader<TcpStream>, taken: &mut Taken) {
    let mut lines = Vec::new();
    while let Some(line) = hear(stream).await.filter(|line| line != ".") {
        lines.push(line.strip_prefix('.').map_or_else(|| line.clone(), str::to_owned));
    }
    let end = lines.iter().position(String::is_empty).unwrap();
    taken.body = lines.split_off(end + 1);
    for line in lines.iter().filter(|line| !line.is_empty()) {
        // A header that goes on in the next line goes on with a space.
        if line.starts_with(' ')
            && let Some(header) = taken.headers.last_mut()
        {
            header.push_str(line);
        } else {
            taken.headers.push(line.clone());
        }
    }
}
