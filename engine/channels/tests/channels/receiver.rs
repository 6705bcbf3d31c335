//! A receiver of requests, as small as it can be: one connection, one request, one answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;

use holdfast_channels::Secret;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A receiver on a port of its own.
pub(crate) struct Receiver {
    listener: TcpListener,
}

/// A request as it arrived.
pub(crate) struct Request {
    /// Its first line.
    pub(crate) line: String,
    /// Its headers, their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body.
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// What errors call it.
    pub(crate) fn place(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Its address with a path.
    pub(crate) fn url(&self, path: &str) -> Secret {
        Secret::new(format!("{}{path}", self.place()))
    }

    /// Takes a request and answers: `head` is a status with its words, and headers if there are any.
    pub(crate) async fn answer(&self, head: &str, body: &str) -> Request {
        self.repeat(head, |_| body.to_owned()).await
    }

    /// Takes a request and answers with something of it.
    pub(crate) async fn repeat(
        &self,
        head: &str,
        said: impl FnOnce(&Request) -> String,
    ) -> Request {
        let (mut stream, request) = self.request().await;
        let body = said(&request);
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    }

    /// Takes a request and answers with a body that never ends.
    pub(crate) async fn babble(&self, head: &str) -> Infallible {
        let (mut stream, _) = self.request().await;
        let start = format!("HTTP/1.1 {head}\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(start.as_bytes()).await.unwrap();
        let part = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while stream.write_all(part.as_bytes()).await.is_ok() {}
        pending().await
    }

    /// Takes a connection, says something at once, and no more.
    pub(crate) async fn blurt(&self, text: &str) -> Infallible {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        pending().await
    }

    /// Takes a connection, and closes it after the request.
    pub(crate) async fn hang_up(&self) -> Request {
        let (_closed, request) = self.request().await;
        request
    }

    async fn request(&self) -> (TcpStream, Request) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.unwrap();
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length");
        let length: usize = length.map_or(0, |length: &String| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        (stream.into_inner(), Request { line, headers, body })
    }
}
