//! Signals that ask p2p to stop.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// A signal that asks us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: Ctrl-C, and the first thing GitHub's runner sends when a run is cancelled.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGQUIT: Ctrl-\.
    Quit,
}

impl StopSignal {
    /// The signal's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Terminate => 15,
        }
    }

    /// The signal's name: `SIGINT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Quit => "SIGQUIT",
        }
    }

    /// The signal that a target gets: SIGINT or SIGTERM, because many programs do not clean up after the other two.
    pub(super) fn to_send(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate | Self::Hangup | Self::Quit => rustix::process::Signal::TERM,
        }
    }
}

/// A second Ctrl-C counts only this long after the first one, because some programs pass a signal on twice.
const SECOND: Duration = Duration::from_millis(300);

/// A request to stop.
#[derive(Debug, Clone, Copy)]
struct Request {
    /// The first signal.
    signal: StopSignal,
    /// When it arrived.
    at: Instant,
    /// Whether a second SIGINT arrived, so that there is no time to clean up.
    now: bool,
}

/// Whether p2p was asked to stop, and by which signal. Cheap to clone; all clones share their state.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Request>>);

impl Stop {
    /// A stop that the caller requests instead of a signal.
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(None);
        (Stopper(sender), Self(receiver))
    }

    /// The first signal, if there was one.
    pub fn signal(&self) -> Option<StopSignal> {
        self.0.borrow().map(|request| request.signal)
    }

    /// Waits for the signal, for ever if there is none.
    pub async fn wait(&mut self) -> StopSignal {
        self.request().await.signal
    }

    /// Waits for a second SIGINT, which leaves no time to clean up; for ever if there is none.
    pub async fn now(&mut self) {
        if self.0.wait_for(|request| request.is_some_and(|request| request.now)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until `grace` has passed since the signal; for ever if there is none.
    pub async fn over(&mut self, time: Duration) {
        let at = self.request().await.at;
        tokio::time::sleep_until(at + time).await;
    }

    async fn request(&mut self) -> Request {
        let request = self.0.wait_for(Option::is_some).await.ok().and_then(|request| *request);
        match request {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

/// Requests a [`Stop`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Request>>);

impl Stopper {
    /// Requests the stop. The first signal counts; a later SIGINT means that there is no time left.
    pub fn stop(&self, signal: StopSignal) {
        self.0.send_if_modified(|request| match request {
            None => {
                *request = Some(Request { signal, at: Instant::now(), now: false });
                true
            }
            Some(first) => {
                let again = signal == StopSignal::Interrupt && first.at.elapsed() >= SECOND && !first.now;
                first.now |= again;
                again
            }
        });
    }
}

/// Listens to SIGINT, SIGTERM, SIGHUP and SIGQUIT. Create it once for the whole process: from then on these signals
/// no longer end the process, not even after this value was dropped. The last two stay ignored if p2p was started
/// with them ignored (`nohup`, a shell's background), on Linux.
#[derive(Debug)]
pub struct Signals {
    stop: Stop,
    listener: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// Starts to listen. Fails if the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let ignored = ignored();
        let unless_ignored = |kind: SignalKind| -> io::Result<Option<Signal>> {
            let bit = 1_u64 << (kind.as_raw_value() - 1);
            if ignored & bit == 0 { signal(kind).map(Some) } else { Ok(None) }
        };
        let mut hangup = unless_ignored(SignalKind::hangup())?;
        let mut quit = unless_ignored(SignalKind::quit())?;
        let (stopper, stop) = Stop::new();
        let listener = tokio::spawn(async move {
            loop {
                let come = tokio::select! {
                    // If both are pending, assume the order in which the runner sends them.
                    biased;
                    Some(()) = interrupt.recv() => StopSignal::Interrupt,
                    Some(()) = terminate.recv() => StopSignal::Terminate,
                    Some(()) = next(&mut hangup) => StopSignal::Hangup,
                    Some(()) = next(&mut quit) => StopSignal::Quit,
                    else => return,
                };
                stopper.stop(come);
            }
        });
        Ok(Self { stop, listener })
    }

    /// The value to pass to everything that must stop.
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

async fn next(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// The ignored signals, one bit each, or none if the system does not say (proc(5): `SigIgn`).
fn ignored() -> u64 {
    ignored_by(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn ignored_by(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read() {
        assert_eq!(ignored_by("Name:\tp2p\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001005\n"), 0x1005);
        assert_eq!(ignored_by(""), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_first_signal() {
        let (stopper, mut stop) = Stop::new();
        let start = Instant::now();
        stopper.stop(StopSignal::Hangup);
        tokio::time::sleep(Duration::from_secs(3)).await;
        stopper.stop(StopSignal::Interrupt);
        stop.over(Duration::from_secs(5)).await;
        assert_eq!((start.elapsed(), stop.signal()), (Duration::from_secs(5), Some(StopSignal::Hangup)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_interrupt_ends_all_patience_and_no_other_signal_does() {
        let (stopper, mut stop) = Stop::new();
        let mut patient = async || tokio::time::timeout(Duration::from_secs(1), stop.now()).await.is_err();
        stopper.stop(StopSignal::Interrupt);
        stopper.stop(StopSignal::Interrupt);
        assert!(patient().await, "the same one, passed on twice");
        stopper.stop(StopSignal::Terminate);
        assert!(patient().await, "what the runner sends");
        stopper.stop(StopSignal::Interrupt);
        assert!(!patient().await);
    }
}
