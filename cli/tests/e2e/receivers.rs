//! Who people outside are: a receiver of requests and a mail server, each on a real socket of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The longest that anybody waits here.
const LIMIT: Duration = Duration::from_mins(2);

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its first line.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// What a receiver says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// That it has it.
    Yes,
    /// That it is broken.
    Broken,
    /// Nothing, ever.
    Nothing,
}

/// Receives requests, until the test ends.
pub(crate) struct Receiver {
    port: u16,
    inbox: Inbox<Request>,
}

impl Receiver {
    /// One that says the same to everybody, on a port of its own.
    pub(crate) fn start(says: Says) -> Self {
        Self::on(free_port(), says)
    }

    /// One on this port.
    pub(crate) fn on(port: u16, says: Says) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let (tell, inbox) = channel();
        thread::spawn(move || receive(&listener, says, &tell));
        Self { port, inbox }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next request.
    pub(crate) fn next(&self) -> Request {
        self.inbox.recv_timeout(LIMIT).expect("somebody calls")
    }

    /// The requests that have come and were not looked at.
    pub(crate) fn rest(&self) -> Vec<Request> {
        self.inbox.try_iter().collect()
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    listener.local_addr().expect("it has a number").port()
}

/// Takes requests until nobody listens to them any more.
fn receive(listener: &TcpListener, says: Says, tell: &Sender<Request>) {
    let mut silent = Vec::new();
    for stream in listener.incoming().map_while(Result::ok) {
        let Some(request) = read(&stream) else { continue };
        if tell.send(request).is_err() {
            return;
        }
        match says {
            Says::Yes => answer(&stream, "200 OK"),
            Says::Broken => answer(&stream, "500 Internal Server Error"),
            // It stays open.
            Says::Nothing => silent.push(stream),
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let line = line(&mut reader)?;
    let mut headers = Vec::new();
    while let Some(header) = self::line(&mut reader).filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(": ").unwrap_or((&header, ""));
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).ok()? })
}

fn line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn answer(mut stream: &TcpStream, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // Whoever asked may be dead by now.
    stream.write_all(answer.as_bytes()).unwrap_or_default();
}

/// Takes mails, until the test ends.
pub(crate) struct MailSink {
    pub(crate) port: u16,
    inbox: Inbox<String>,
}

impl MailSink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
        let port = listener.local_addr().expect("it has a number").port();
        let (tell, inbox) = channel();
        thread::spawn(move || {
            let mut streams = listener.incoming().map_while(Result::ok);
            streams.try_for_each(|stream| take(&stream, &tell))
        });
        Self { port, inbox }
    }

    /// The next mail, whole.
    pub(crate) fn next(&self) -> String {
        self.inbox.recv_timeout(LIMIT).expect("somebody writes")
    }
}

/// Takes one connection; none if nobody waits for mail any more.
fn take(mut stream: &TcpStream, tell: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut say = |text: &str| stream.write_all(text.as_bytes()).unwrap_or_default();
    say("220 sink\r\n");
    while let Some(heard) = line(&mut reader) {
        match heard.split(' ').next().unwrap_or_default() {
            "EHLO" => say("250-sink\r\n250 8BITMIME\r\n"),
            "DATA" => {
                say("354 go on\r\n");
                let lines = std::iter::from_fn(|| line(&mut reader)).take_while(|line| line != ".");
                let mail: Vec<String> = lines.collect();
                tell.send(mail.join("\n")).ok()?;
                say("250 taken\r\n");
            }
            "QUIT" => say("221 bye\r\n"),
            _ => say("250 good\r\n"),
        }
    }
    Some(())
}
