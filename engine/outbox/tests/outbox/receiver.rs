//! A receiver of requests on a real socket: it keeps what it is sent, and answers as it is told to.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::tasks;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// The longest that anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With a status.
    Status(u16),
    /// Not at all: it closes the connection.
    HangUp,
    /// Not at all: it keeps the connection open.
    Silence,
}

/// A good answer.
pub(crate) const HAPPY: Answer = Answer::Status(200);

type Behave = Arc<dyn Fn(&Value) -> Answer + Send + Sync>;

/// A receiver on a port of its own.
pub(crate) struct Receiver {
    port: u16,
    requests: UnboundedReceiver<Value>,
}

impl Receiver {
    /// One that answers to each body, JSON or null, as it is told to.
    pub(crate) async fn start(behave: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (got, requests) = unbounded_channel();
        let behave: Behave = Arc::new(behave);
        tasks::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks::spawn(serve(stream, Arc::clone(&behave), got.clone()));
            }
        });
        Self { port, requests }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next request. It may not have been answered yet.
    pub(crate) async fn next(&mut self) -> Value {
        timeout(LIMIT, self.requests.recv()).await.unwrap().unwrap()
    }

    /// The text of the next request.
    pub(crate) async fn text(&mut self) -> String {
        self.next().await["text"].as_str().unwrap().to_owned()
    }

    /// The texts of the requests that have come by now.
    pub(crate) fn texts(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Ok(request) = self.requests.try_recv() {
            texts.push(request["text"].as_str().unwrap_or_default().to_owned());
        }
        texts
    }
}

async fn serve(stream: TcpStream, behave: Behave, got: UnboundedSender<Value>) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return;
        }
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = behave(&body);
    // The test may have seen enough.
    got.send(body).unwrap_or_default();
    match answer {
        Answer::Status(status) => {
            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
            // Whoever asked may be gone.
            stream.write_all(answer.as_bytes()).await.unwrap_or_default();
        }
        Answer::HangUp => {}
        Answer::Silence => pending().await,
    }
}
