//! Being told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A signal that asks us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: Ctrl-C, and the first thing GitHub's runner sends when a run is cancelled.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl StopSignal {
    /// The signal's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }

    /// The signal's name: `SIGINT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    pub(super) fn to_send(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
        }
    }
}

/// Whether we were told to stop, and how. Cheap to clone; all clones know the same.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<StopSignal>>);

impl Stop {
    /// A stop that somebody else than a signal causes.
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(None);
        (Stopper(sender), Self(receiver))
    }

    /// The signal that came first, if any came.
    pub fn signal(&self) -> Option<StopSignal> {
        *self.0.borrow()
    }

    /// Waits for the signal; for ever where none comes.
    pub async fn wait(&mut self) -> StopSignal {
        let come = self.0.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
        match come {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

/// Causes a [`Stop`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<StopSignal>>);

impl Stopper {
    /// Tells all to stop. Only the first call counts.
    pub fn stop(&self, signal: StopSignal) {
        self.0.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert(signal);
            new
        });
    }
}

/// Listens to SIGINT and SIGTERM from when it is made. One for the whole process: from then on
/// these signals no longer end it, not even after this was dropped.
#[derive(Debug)]
pub struct Signals {
    stop: Stop,
    listener: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// Begins to listen. Fails where the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stopper, stop) = Stop::new();
        let listener = tokio::spawn(async move {
            loop {
                let come = tokio::select! {
                    // Where both are there already, the one that the runner sends first came first.
                    biased;
                    Some(()) = interrupt.recv() => StopSignal::Interrupt,
                    Some(()) = terminate.recv() => StopSignal::Terminate,
                    else => return,
                };
                stopper.stop(come);
            }
        });
        Ok(Self { stop, listener })
    }

    /// To hand to whatever must stop.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The signal that came first, if any came.
    pub fn first(&self) -> Option<StopSignal> {
        self.stop.signal()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
