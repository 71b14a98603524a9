//! Starting the registry and stopping it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::auth::{Auth, Guard};
use super::error::Error;
use super::faults::Faults;
use super::log::{Entry, Log};
use super::pushes::Pushes;
use super::service::Service;
use super::store::Store;
use super::uploads::Uploads;
use super::wire::Wire;

/// How long requests may take to end once the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a registry is started with. [`Options::at`] gives what local runs use.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that keeps the images. Several servers, of several processes too, may share it.
    pub root: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Who may do what; without it everybody may do everything.
    pub auth: Option<Auth>,
    /// Whether there is a referrers API.
    pub referrers: bool,
    /// Whether blobs are mounted; without it every mount becomes an upload (202).
    pub mounts: bool,
    /// The longest list of tags or repositories in one answer.
    pub page: usize,
    /// What goes wrong; for tests.
    pub faults: Option<Faults>,
}

impl Options {
    /// A registry over `root` on a free port of the loopback interface, open to everybody on this machine.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            auth: None,
            referrers: true,
            mounts: true,
            page: 1000,
            faults: None,
        }
    }
}

/// A running registry. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a registry on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options { root, address, auth, referrers, mounts, page, faults } = options;
        let store = Store::open(&root).map_err(|source| Error::Root { root, source })?;
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortInUse { address },
            _ => Error::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let service = Arc::new(Service {
            store,
            stored: AtomicBool::new(false),
            uploads: Uploads::default(),
            guard: auth.map(|auth| Guard::new(auth, address)),
            log: Log::default(),
            faults,
            referrers,
            mounts,
            page,
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(accept(listener, Arc::clone(&service), stop.clone()));
        Ok(Self { address, service, stop, task: Some(task) })
    }

    /// Where it listens: `127.0.0.1:<port>`, which is also the registry's name in references.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests since the start, in order of arrival.
    pub fn log(&self) -> Vec<Entry> {
        self.service.log.entries()
    }

    /// Whether a manifest was pushed since the start.
    pub fn has_stored(&self) -> bool {
        self.service.stored.load(Ordering::Relaxed)
    }

    /// Tells which tags are pushed.
    pub(super) fn pushes(&self) -> Pushes {
        Pushes::of_server(&self.service)
    }

    /// The directory, to look at or to change behind the server's back.
    pub fn store(&self) -> &Store {
        &self.service.store
    }

    /// Stops listening, gives running requests a second to end, and returns when all connections are closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It only fails where the runtime is being shut down, and then it is over as well.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Takes connections until told to stop.
async fn accept(listener: TcpListener, service: Arc<Service>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(talk(stream, Arc::clone(&service), stop.clone()));
                }
                // Out of file descriptors, most often: some connection will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whoever has not ended by then is cut off when the set is dropped.
    let _ = tokio::time::timeout(FAREWELL, ended).await;
    connections.shutdown().await;
}

/// Serves one connection.
async fn talk(stream: TcpStream, service: Arc<Service>, stop: CancellationToken) {
    // Answers are small and are waited for; should it fail, they are only later.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&reset));
    let serve = service_fn(move |request| Arc::clone(&service).serve(Arc::clone(&reset), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), serve);
    tokio::pin!(connection);
    // A connection that breaks is the client's business; it sees it.
    let _ = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
