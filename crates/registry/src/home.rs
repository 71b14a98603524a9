//! The registry of local runs: one directory and one fixed port, so that a reference from an earlier run works again
//! when the directory is served.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::limit::{Trimmed, by_age, trim};
use super::pushes::Pushes;
use super::server::Server;
use super::store::Store;

/// Ports below those that systems assign themselves, so that no outgoing connection uses ours.
const PORTS: std::ops::Range<u16> = 25_000..30_000;
/// How many ports are tried until one is free.
const TRIES: u16 = 16;

/// The directory in which local runs keep their images.
///
/// ```text
/// <root>/port      the port that stays
/// <root>/serving   locked by `p2p registry` while it serves
/// <root>/in-use    locked (shared) by every server; who removes images holds it alone
/// ```
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// A server of the directory, for one run or until it is stopped.
#[derive(Debug)]
pub struct Local {
    server: Option<Server>,
    address: SocketAddr,
    home: Home,
    /// Locks that are released when this is dropped.
    _locks: Vec<File>,
}

impl Home {
    /// The registry with its images in `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// For one run: uses the server of `p2p registry` if it runs, or else starts a server. If another program uses
    /// the fixed port, the server uses a free one this time.
    ///
    /// # Errors
    /// If the directory cannot be written, or no port can be used.
    pub async fn join(&self) -> Result<Local, RegistryError> {
        let in_use = self.in_use()?;
        if let (Some(port), Held::Elsewhere) = (self.port(), self.lock("serving")?) {
            return Ok(Local {
                server: None,
                address: loopback(port),
                home: self.clone(),
                _locks: vec![in_use],
            });
        }
        let server = match self.stay().await {
            Err(RegistryError::PortInUse { .. }) => self.listen(0).await?,
            started => started?,
        };
        Ok(Local {
            address: server.address(),
            server: Some(server),
            home: self.clone(),
            _locks: vec![in_use],
        })
    }

    /// Serves the directory until it is stopped, on the fixed port. `port` changes the fixed port.
    ///
    /// # Errors
    /// [`RegistryError::Served`] if another process serves it already, and the errors of [`Home::join`].
    pub async fn serve(&self, port: Option<u16>) -> Result<Local, RegistryError> {
        let in_use = self.in_use()?;
        let Held::Here(serving) = self.lock("serving")? else {
            return Err(RegistryError::Served { address: loopback(self.port().unwrap_or_default()) });
        };
        let server = match port {
            Some(port) => self.keep_port(self.listen(port).await?)?,
            None => self.stay().await?,
        };
        let address = server.address();
        Ok(Local { server: Some(server), address, home: self.clone(), _locks: vec![in_use, serving] })
    }

    /// The tagged images as `<repository>:<tag>`, oldest first.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn images(&self) -> io::Result<Vec<String>> {
        let tags = by_age(&Store::open(&self.root)?)?;
        Ok(tags.iter().map(|(_, repository, tag)| format!("{repository}:{}", tag.as_str())).collect())
    }

    /// Removes the oldest versions until the directory has at most `limit` bytes. Does nothing while a server runs,
    /// because it may be receiving referrers of these versions.
    ///
    /// # Errors
    /// If the directory cannot be read or written.
    pub fn trim(&self, limit: u64) -> io::Result<Trimmed> {
        let lock = self.file("in-use")?;
        match lock.try_lock() {
            Ok(()) => trim(&Store::open(&self.root)?, &self.root, limit),
            Err(TryLockError::WouldBlock) => Ok(Trimmed::default()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Starts a server on the fixed port. The first one chooses the port.
    async fn stay(&self) -> Result<Server, RegistryError> {
        if let Some(port) = self.port() {
            return self.listen(port).await;
        }
        let mut port = first_port(&self.root);
        for _ in 1..TRIES {
            match self.listen(port).await {
                Err(RegistryError::PortInUse { .. }) => {
                    port = if port + 1 < PORTS.end { port + 1 } else { PORTS.start }
                }
                started => return self.keep_port(started?),
            }
        }
        self.keep_port(self.listen(port).await?)
    }

    async fn listen(&self, port: u16) -> Result<Server, RegistryError> {
        Server::start(&self.root, loopback(port)).await
    }

    fn keep_port(&self, server: Server) -> Result<Server, RegistryError> {
        let port = server.address().port().to_string();
        fs::write(self.root.join("port"), port).map_err(|source| self.unusable(source))?;
        Ok(server)
    }

    /// The fixed port, if one was chosen. An unreadable one is chosen again.
    fn port(&self) -> Option<u16> {
        fs::read_to_string(self.root.join("port")).ok()?.trim().parse().ok().filter(|port| *port > 0)
    }

    /// Takes the lock of a running server. Images are removed only if nobody holds it.
    fn in_use(&self) -> Result<File, RegistryError> {
        let lock = self.file("in-use").and_then(|file| file.lock_shared().map(|()| file));
        lock.map_err(|source| self.unusable(source))
    }

    fn lock(&self, name: &str) -> Result<Held, RegistryError> {
        let file = self.file(name).map_err(|source| self.unusable(source))?;
        match file.try_lock() {
            Ok(()) => Ok(Held::Here(file)),
            Err(TryLockError::WouldBlock) => Ok(Held::Elsewhere),
            Err(TryLockError::Error(source)) => Err(self.unusable(source)),
        }
    }

    fn file(&self, name: &str) -> io::Result<File> {
        fs::create_dir_all(&self.root)?;
        File::options().create(true).truncate(false).write(true).open(self.root.join(name))
    }

    fn unusable(&self, source: io::Error) -> RegistryError {
        RegistryError::Root { root: self.root.clone(), source }
    }
}

/// The holder of a lock.
enum Held {
    Here(File),
    Elsewhere,
}

impl Local {
    /// The address `127.0.0.1:<port>`, which is also the registry's name in references.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reports which tags are pushed, even if another process serves the directory.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn pushes(&self) -> Result<Pushes, RegistryError> {
        match &self.server {
            Some(server) => Ok(server.pushes()),
            None => Store::open(&self.home.root)
                .map(Pushes::of_directory)
                .map_err(|source| self.home.unusable(source)),
        }
    }

    /// Stops the server of a run. If the run has pushed something, removes the oldest versions until the directory
    /// has at most `limit` bytes.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub async fn stop(self, limit: u64) -> io::Result<Trimmed> {
        let Self { server, home, _locks: locks, .. } = self;
        let Some(server) = server else { return Ok(Trimmed::default()) };
        let pushed = server.has_stored();
        server.stop().await;
        drop(locks);
        if !pushed {
            return Ok(Trimmed::default());
        }
        tokio::task::spawn_blocking(move || home.trim(limit)).await.map_err(io::Error::other)?
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The first port to try. It depends on the directory, so that users of one machine rarely collide (FNV-1a,
/// <http://www.isthe.com/chongo/tech/comp/fnv/>).
fn first_port(root: &Path) -> u16 {
    let hash = root.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let offset = hash % u64::from(PORTS.end - PORTS.start);
    PORTS.start + u16::try_from(offset).unwrap_or_default()
}
