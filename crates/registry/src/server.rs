//! Starts and stops the registry.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::error::RegistryError;
use super::pushes::Pushes;
use super::service::{Features, Service};
use super::store::Store;

/// How long requests may take after the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// A running registry on a loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    service: Service,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the directory `root` at `address` on the current tokio runtime. Port 0 takes a free one. Several
    /// servers, also of several processes, may share the directory.
    ///
    /// # Errors
    /// If the directory cannot be written, or the address cannot be used.
    pub async fn start(root: impl Into<PathBuf>, address: SocketAddr) -> Result<Self, RegistryError> {
        let root = root.into();
        let store = Store::open(&root).map_err(|source| RegistryError::Root { root, source })?;
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => RegistryError::PortInUse { address },
            _ => RegistryError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let service = Service::new(store, Features::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(accept(listener, service.clone(), stop.clone()));
        Ok(Self { address, service, stop, task: Some(task) })
    }

    /// The address `127.0.0.1:<port>`, which is also the registry's name in references.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a client has sent a manifest since the start.
    pub(crate) fn has_stored(&self) -> bool {
        self.service.has_stored()
    }

    /// The tags that clients push.
    pub(crate) fn pushes(&self) -> Pushes {
        Pushes::of_server(self.service.clone())
    }

    /// Stops listening, gives running requests a second to end, and returns when all connections are closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It fails only if the runtime is shutting down, and then it has ended as well.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Accepts connections until it must stop.
async fn accept(listener: TcpListener, service: Service, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(talk(stream, service.clone(), stop.clone()));
                }
                // Most often, the process has no free file descriptors: some connection will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Dropping the set closes connections that are still open.
    let _ = tokio::time::timeout(FAREWELL, ended).await;
    connections.shutdown().await;
}

/// Serves one connection.
async fn talk(stream: TcpStream, service: Service, stop: CancellationToken) {
    // Answers are small, and clients wait for them. If this fails, they only arrive later.
    let _ = stream.set_nodelay(true);
    let serve = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move {
            let request = request.map(|body| body.map_err(Into::into).boxed());
            Ok::<_, Infallible>(service.answer(request).await)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
    tokio::pin!(connection);
    // The client notices a broken connection itself.
    let _ = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
