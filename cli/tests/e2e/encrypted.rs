//! Mail and webhooks go out encrypted, to whom the machine trusts and to nobody else.
//!
//! The authority beside this file is the tests' own; the program is told to trust it as a machine is told, by
//! `SSL_CERT_FILE`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::home::{Home, Said};

const LIMIT: Duration = Duration::from_mins(1);

const PARTIAL: &str = "holdfast: 1\nname: three\noperation: maintenance\nsteps:\n  - id: each\n    for_each: { items: [a, b, c], max_failed: 1 }\n    uses: assert\n    with: { that: \"{{ item != 'b' }}\", message: it is b }\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/tls").join(name)
}

/// How a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    /// Mail, encrypted from the first byte on.
    Implicit,
    /// Mail, encrypted once it is asked for.
    StartTls,
    /// HTTP, encrypted.
    Https,
}

/// A server with a certificate of the tests' authority, which tells what it was given.
struct Server {
    port: u16,
    inbox: Inbox<String>,
}

impl Server {
    fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, inbox) = channel();
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let certificate = CertificateDer::from_pem_file(fixture("localhost.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("localhost.key")).unwrap();
        let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Who does not trust us breaks off.
                serve(stream, &config, speaks, &tell).unwrap_or_default();
            }
        });
        Self { port, inbox }
    }

    fn next(&self) -> String {
        self.inbox.recv_timeout(LIMIT).expect("somebody comes")
    }
}

fn serve(
    mut plain: TcpStream,
    config: &Arc<ServerConfig>,
    speaks: Speaks,
    tell: &Sender<String>,
) -> std::io::Result<()> {
    if speaks == Speaks::StartTls {
        plain.write_all(b"220 sink\r\n")?;
        while let Some(heard) = line(&mut plain)? {
            match heard.split(' ').next().unwrap_or_default() {
                "EHLO" => plain.write_all(b"250-sink\r\n250 STARTTLS\r\n")?,
                "STARTTLS" => {
                    plain.write_all(b"220 go on\r\n")?;
                    break;
                }
                // Nothing is taken in the clear.
                _ => plain.write_all(b"530 first STARTTLS\r\n")?,
            }
        }
    }
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, plain);
    if speaks == Speaks::Https {
        return take_request(&mut stream, tell);
    }
    if speaks == Speaks::Implicit {
        stream.write_all(b"220 sink\r\n")?;
    }
    take_mail(&mut stream, tell)
}

fn take_mail(stream: &mut (impl Read + Write), tell: &Sender<String>) -> std::io::Result<()> {
    while let Some(heard) = line(stream)? {
        match heard.split(' ').next().unwrap_or_default() {
            "EHLO" => stream.write_all(b"250-sink\r\n250 8BITMIME\r\n")?,
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                while let Some(said) = line(stream)?.filter(|said| said != ".") {
                    mail.push_str(&said);
                    mail.push('\n');
                }
                tell.send(mail).unwrap_or_default();
                stream.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => stream.write_all(b"250 good\r\n")?,
        }
    }
    Ok(())
}

fn take_request(stream: &mut (impl Read + Write), tell: &Sender<String>) -> std::io::Result<()> {
    let mut length = 0;
    while let Some(header) = line(stream)?.filter(|header| !header.is_empty()) {
        let header = header.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    tell.send(String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.flush()
}

/// A line; none at the end. Nothing is read ahead: what follows may be encrypted.
fn line(stream: &mut impl Read) -> std::io::Result<Option<String>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        if byte == *b"\n" {
            return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
        }
        line.extend(byte);
    }
}

/// A home whose runs are told through this channel.
fn home(channel: &str) -> Home {
    let home = Home::new();
    home.write("workflows/three.yaml", PARTIAL);
    home.write(
        "holdfast.yaml",
        &format!(
            "holdfast_config: 1\nchannels:\n  ops: {{ {channel} }}\nnotify:\n  - {{ channel: ops }}\n"
        ),
    );
    home
}

fn mail(port: u16, tls: &str) -> String {
    format!(
        "kind: mail, host: localhost, port: {port}, tls: {tls}, from: holdfast@example.org, to: [ops@example.org]"
    )
}

/// Runs it, with the tests' authority trusted or only those that the machine trusts.
fn run(home: &Home, trusted: bool) -> Said {
    let mut command = home.command(&["run", "three"]);
    if trusted {
        command.env("SSL_CERT_FILE", fixture("authority.pem"));
    }
    Said::of(command.output().expect("the program starts")).with_code(3)
}

#[test]
fn mail_goes_out_encrypted_in_both_ways() {
    for (speaks, tls) in [(Speaks::Implicit, "implicit"), (Speaks::StartTls, "starttls")] {
        let server = Server::start(speaks);
        let home = home(&mail(server.port, tls));
        run(&home, true);
        let mail = server.next();
        assert!(mail.contains("Subject: three: partial"), "{tls}: {mail}");
    }
}

#[test]
fn a_webhook_is_called_encrypted() {
    let server = Server::start(Speaks::Https);
    let home = home(&format!("kind: webhook, url: \"https://localhost:{}/hook\"", server.port));
    run(&home, true);
    assert!(server.next().contains("\"three: partial\""));
}

#[test]
fn whom_the_machine_does_not_trust_is_told_nothing() {
    // Each waits for a while before it gives the message to the next process.
    thread::scope(|scope| {
        for speaks in [Speaks::Implicit, Speaks::StartTls, Speaks::Https] {
            scope.spawn(move || is_told_nothing(speaks));
        }
    });
}

fn is_told_nothing(speaks: Speaks) {
    let server = Server::start(speaks);
    let home = home(&match speaks {
        Speaks::Implicit => mail(server.port, "implicit"),
        Speaks::StartTls => mail(server.port, "starttls"),
        Speaks::Https => format!("kind: webhook, url: \"https://localhost:{}/hook\"", server.port),
    });
    let said = run(&home, false);
    assert!(said.talk.contains("1 message for people outside not delivered"), "{said:#?}");
    let status = home.holdfast(&["status"]).with_code(0);
    let channel = status.out.lines().find(|line| line.starts_with("channel ops"));
    let channel = channel.expect("it is shown");
    assert!(channel.contains("certificate"), "{speaks:?}: {channel}");
    assert!(server.inbox.try_recv().is_err(), "{speaks:?}");
}
