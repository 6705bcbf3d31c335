//! The socket of an owner: who may connect, one question a connection, and the lines that answer it.
//!
//! It lies in the state directory and is open to its own user only; whoever connects is asked who they are by the
//! system. A socket that a dead owner left is removed by the next, which has the lock.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use holdfast_drive::output::Reply;
use holdfast_kernel::id::RunId;
use holdfast_runtime::executor::Compile;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::tasks;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::answer::{NoAnswer, Sources, json, want};
use crate::wire::ask::{Act, Ask, Message, VERSION};
use crate::wire::line::{LONGEST, Line};
use crate::wire::news::{Family, Told, open_children, told};

/// The name of the socket in a state directory.
pub const NAME: &str = "socket";

/// A way to the socket that is short enough whatever the path of its folder is: through the folder's handle.
pub(crate) fn address(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}

/// What a socket answers from.
#[derive(Clone)]
pub struct Service {
    /// The executor.
    pub handle: Handle,
    /// What is read.
    pub sources: Sources,
    /// Reads the workflows of submits.
    pub compile: Compile,
}

/// A socket that is listened on; removed when dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// The address goes through it.
    _folder: File,
}

impl Socket {
    /// Listens in a state directory whose lock the caller has.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn bind(state: &Path) -> io::Result<Self> {
        let path = state.join(NAME);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let folder = File::open(state)?;
        let listener = UnixListener::bind(address(&folder))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path, _folder: folder })
    }

    /// Answers whoever connects, until `closed` resolves; then takes nobody more, and returns once everybody has
    /// their answer. Watchers have it when the executor has ended.
    ///
    /// `service` gives what answers the next who connects: the configuration may change meanwhile.
    pub async fn serve(self, service: impl Fn() -> Service, closed: impl Future<Output = ()>) {
        let mut answering = Vec::new();
        let mut closed = std::pin::pin!(closed);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut closed => break,
            };
            answering.retain(|answer: &JoinHandle<()>| !answer.is_finished());
            let Ok((stream, _)) = accepted else {
                // Too many are connected: somebody has to go first.
                tokio::task::yield_now().await;
                continue;
            };
            let service = service();
            // A client that went away needs no answer.
            let answer = async move { service.answer(stream).await.unwrap_or_default() };
            answering.push(tasks::spawn(answer));
        }
        drop(self);
        drop(service);
        for answer in answering {
            // One that panicked has told nobody anything, which its client sees.
            answer.await.unwrap_or_default();
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The next owner removes what is left.
        std::fs::remove_file(&self.path).unwrap_or_default();
    }
}

/// Whether the system says that who connects is the user that this process runs as, or root.
fn may_ask(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

impl Service {
    async fn answer(self, mut stream: UnixStream) -> io::Result<()> {
        if !may_ask(&stream) {
            let no = Line::NoAnswer("this state belongs to another user".to_owned());
            return write(&mut stream, &no).await;
        }
        let mut text = String::new();
        BufReader::new(&mut stream).take(LONGEST).read_line(&mut text).await?;
        let message = match read(&text) {
            Ok(message) => message,
            Err(NoAnswer(reason)) => return write(&mut stream, &Line::NoAnswer(reason)).await,
        };
        let answered = match message.ask {
            Ask::Watch { run } => return self.watch(stream, run).await,
            Ask::Act(act) => self.act(act, message.by).await,
            Ask::Obstacles => match self.handle.obstacles().await {
                Ok(obstacles) => json(&obstacles),
                Err(gone) => Err(NoAnswer(gone.to_string())),
            },
            read => {
                let sources = self.sources.clone();
                let answer = tasks::spawn_blocking(move || sources.read(read)).await;
                answer.unwrap_or_else(|error| Err(NoAnswer(format!("a bug in holdfast: {error}"))))
            }
        };
        let line = match answered {
            Ok(answer) => Line::Answer(answer),
            Err(NoAnswer(reason)) => Line::NoAnswer(reason),
        };
        write(&mut stream, &line).await
    }

    async fn act(&self, act: Act, by: String) -> Result<String, NoAnswer> {
        let (sources, asked, person) = (self.sources.clone(), act.clone(), by.clone());
        let permitted = tasks::spawn_blocking(move || sources.permits(&asked, &person)).await;
        match permitted {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return json(&Reply::Refused(refusal)),
            Err(error) => return Err(NoAnswer(format!("a bug in holdfast: {error}"))),
        }
        let want = want(act, by, &self.compile)?;
        let reply: Result<Reply, _> = self.handle.ask(want).await;
        json(&reply.map_err(|gone| NoAnswer(gone.to_string()))?)
    }

    /// Tells what happens until the run has ended, the owner ends, or nobody listens any more.
    async fn watch(self, mut stream: UnixStream, run: Option<RunId>) -> io::Result<()> {
        let mut news = self.handle.watch();
        if let Some(run) = run
            && self.has_ended(run).await
        {
            return write(&mut stream, &Line::Answer("null".to_owned())).await;
        }
        if let Some(run) = run {
            write(&mut stream, &Line::News(Told::Watching { run })).await?;
        }
        let mut family = match run {
            Some(run) => Some(self.family(run).await),
            None => None,
        };
        let mut over = false;
        while !over {
            let told = match news.recv().await {
                Ok(news) => told(&news),
                Err(RecvError::Lagged(_)) => vec![Told::Missed],
                Err(RecvError::Closed) => break,
            };
            let is_wanted = |one: &Told| family.as_mut().is_none_or(|family| family.wants(one));
            for one in told.into_iter().filter(is_wanted) {
                over = over || self.tell(&mut stream, run, one).await?;
            }
        }
        write(&mut stream, &Line::Answer("null".to_owned())).await
    }

    /// Tells one thing. Whether it was the last of the run that is watched.
    async fn tell(
        &self,
        stream: &mut UnixStream,
        run: Option<RunId>,
        one: Told,
    ) -> io::Result<bool> {
        let is_end = matches!(one, Told::Ended { run: of, .. } if Some(of) == run);
        let is_last = is_end || (one == Told::Missed && self.has_ended_maybe(run).await);
        if let (true, Some(run)) = (is_end, run) {
            for step in self.last_of(run).await {
                write(stream, &Line::News(step)).await?;
            }
        }
        write(stream, &Line::News(one)).await?;
        Ok(is_last)
    }

    async fn family(&self, run: RunId) -> Family {
        let reader = self.sources.reader.clone();
        let open = move |run| {
            let loaded = reader.load(run).ok().flatten();
            loaded.map(|loaded| open_children(&loaded.state)).unwrap_or_default()
        };
        let family = tasks::spawn_blocking(move || Family::new(run, open)).await;
        family.unwrap_or_else(|_ended| Family::new(run, |_| Vec::new()))
    }

    /// Where the steps of a run are that has ended: it is not in memory any more, the store has it.
    async fn last_of(&self, run: RunId) -> Vec<Told> {
        let reader = self.sources.reader.clone();
        let loaded = tasks::spawn_blocking(move || reader.load(run)).await;
        let Some(loaded) = loaded.ok().and_then(Result::ok).flatten() else { return Vec::new() };
        let steps = loaded.definition.numbered().zip(&loaded.state.steps);
        let told = steps.map(|((step, definition), state)| Told::Step {
            run,
            step,
            id: definition.id.clone(),
            fans_out: definition.for_each.is_some(),
            phase: state.phase,
            counts: state.items.counts,
        });
        told.collect()
    }

    async fn has_ended_maybe(&self, run: Option<RunId>) -> bool {
        match run {
            Some(run) => self.has_ended(run).await,
            None => false,
        }
    }

    async fn has_ended(&self, run: RunId) -> bool {
        let reader = self.sources.reader.clone();
        let loaded = tasks::spawn_blocking(move || reader.load(run)).await;
        let loaded = loaded.ok().and_then(Result::ok).flatten();
        loaded.is_none_or(|loaded| loaded.state.is_finished())
    }
}

fn read(text: &str) -> Result<Message, NoAnswer> {
    let message: Message = serde_json::from_str(text)
        .map_err(|error| NoAnswer(format!("the request cannot be read: {error}")))?;
    if message.api != VERSION {
        let found = message.api;
        return Err(NoAnswer(format!(
            "the client speaks version {found} of the socket, and the owner of the state {VERSION}"
        )));
    }
    Ok(message)
}

async fn write(stream: &mut UnixStream, line: &Line) -> io::Result<()> {
    let text = line.written().map_err(io::Error::other)?;
    stream.write_all(text.as_bytes()).await
}
