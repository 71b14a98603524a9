//! Runs a command in a process group: streams, limits, stops.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::time::{Instant, timeout_at};

use super::error::ProcessError;
use super::members::Members;
use super::pump::Pump;
use super::signals::{Stop, StopSignal};
use super::spec::Spec;

/// How long a process may outlive the leader (`>(tee log)`) before it counts as left behind.
const SETTLE: Duration = Duration::from_millis(300);

/// How long a killed leader may take to end, and how long the last output may take after a stop.
const LAST: Duration = Duration::from_secs(1);

/// The limits of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How long it may run. Without a limit it runs until it ends or p2p must stop.
    pub time_limit: Option<Duration>,
    /// The time to clean up after the signal to stop.
    pub grace: Duration,
    /// Ends the daemons of the command too, if this process adopts them
    /// ([`adopt_daemons`](super::adopt_daemons)). While other commands run, its daemons are those with this path in
    /// their environment, so no other command may have it.
    pub mark: Option<PathBuf>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { time_limit: Some(Duration::from_hours(1)), grace: Duration::from_secs(5), mark: None }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With this exit code.
    Exited(i32),
    /// By this signal, which p2p did not send.
    Signalled(i32),
    /// It reached its time limit.
    TimedOut,
    /// p2p was asked to stop.
    Interrupted(StopSignal),
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Command lines of the processes that it left running in its group. p2p has ended them. They are text of others:
    /// mask and neutralize them before printing.
    pub leftovers: Vec<String>,
}

/// Runs a command in a new process group, with both output streams on one pipe, and passes its output to `sink`
/// on another thread. While `sink` blocks, the command waits.
///
/// The command ends when its leader ends: what still runs in the group then is named and ended. So are daemons,
/// which left the group, with [`RunOptions::mark`]; otherwise they run on. On a stop, the group gets the same signal; on the
/// time limit, SIGTERM; after the grace, or on a second SIGINT, SIGKILL, so that all is over three seconds
/// later at most.
/// Dropping the future kills the group. After a stop a sink that blocks is waited for one second;
/// it may be called again later, while this function has already returned.
///
/// # Errors
/// If the command cannot be started or waited for.
pub async fn run_group(
    spec: &Spec,
    options: RunOptions,
    mut stop: Stop,
    sink: impl FnMut(&[u8]) + Send + 'static,
) -> Result<Ended, ProcessError> {
    let started = Instant::now();
    if let Some(signal) = stop.signal() {
        return Ok(Ended { how: How::Interrupted(signal), seconds: 0.0, leftovers: Vec::new() });
    }
    let lost = |source| spec.lost(source);
    let (reader, writer) = io::pipe().map_err(lost)?;
    // Our copies of the writing end are closed once the command has started.
    let (mut child, group) = spec.start(writer.try_clone().map_err(lost)?, writer, options.mark)?;
    let mut output = Output::Silent(Receiver::from_owned_fd(reader.into()).map_err(lost)?, sink);

    let deadline = options.time_limit.and_then(|limit| started.checked_add(limit));
    let message = loop {
        tokio::select! {
            biased;
            status = child.wait() => break Ok(status.map_err(lost)?),
            signal = stop.wait() => break Err(How::Interrupted(signal)),
            () = passed(deadline) => break Err(How::TimedOut),
            () = output.speaks() => output = output.heard().map_err(lost)?,
        }
    };
    // The remaining processes may print much before they end.
    if message.is_err() || group.members().is_running() {
        output = output.heard().map_err(lost)?;
    }
    let (how, leftovers) = match message {
        Ok(status) => (how(status), end_leftovers(group.members()).await),
        Err(how) => (how, wind_up(&mut child, group.members(), how, options.grace, &mut stop).await),
    };
    drop(group);

    let Some(mut pump) = output.rest().map_err(lost)? else {
        return Ok(Ended { how, seconds: started.elapsed().as_secs_f64(), leftovers });
    };
    pump.finish();
    let patience = async {
        match how {
            How::Interrupted(_) => {}
            _ => {
                stop.wait().await;
            }
        }
        tokio::time::sleep(LAST).await;
    };
    tokio::select! {
        biased;
        ended = pump.ended() => ended.map_err(lost)?,
        () = patience => {}
    }
    Ok(Ended { how, seconds: started.elapsed().as_secs_f64(), leftovers })
}

/// Waits until the deadline has passed, for ever if there is none.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The output of a command. Many short commands print nothing and need no thread to read it.
enum Output<S> {
    /// Nothing has been printed so far.
    Silent(Receiver, S),
    /// A thread reads it.
    Heard(Pump),
}

impl<S: FnMut(&[u8]) + Send + 'static> Output<S> {
    /// Waits for the first output.
    async fn speaks(&self) {
        match self {
            // If waiting fails, the output is read at the end.
            Self::Silent(pipe, _) if pipe.readable().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }

    /// Starts to read.
    fn heard(self) -> io::Result<Self> {
        match self {
            Self::Silent(pipe, sink) => Pump::start(pipe.into_blocking_fd()?.into(), sink).map(Self::Heard),
            heard @ Self::Heard(_) => Ok(heard),
        }
    }

    /// The reader of the rest of the output, after the last process ended; `None` if there is no output.
    fn rest(self) -> io::Result<Option<Pump>> {
        match self {
            Self::Silent(pipe, _) if rustix::io::ioctl_fionread(&pipe)? == 0 => Ok(None),
            output => match output.heard()? {
                Self::Heard(pump) => Ok(Some(pump)),
                Self::Silent(..) => Ok(None),
            },
        }
    }
}

fn how(status: ExitStatus) -> How {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Exited(code),
        (None, signal) => How::Signalled(signal.unwrap_or_default()),
    }
}

/// After the leader ended: ends the processes that it left behind, and names them.
async fn end_leftovers(members: &Members) -> Vec<String> {
    if members.empty_by(Instant::now() + SETTLE).await {
        return Vec::new();
    }
    let names = members.names();
    members.end().await;
    names
}

/// Asks the group to stop, gives it time, and names the processes that had to be killed.
async fn wind_up(
    child: &mut Child,
    members: &Members,
    how: How,
    grace: Duration,
    stop: &mut Stop,
) -> Vec<String> {
    let deadline = Instant::now() + grace;
    members.send(match how {
        How::Interrupted(signal) => signal.to_send(),
        _ => Signal::TERM,
    });
    // Waited for as well, since a zombie of ours still counts as one of the group elsewhere than
    // on Linux.
    let gone = tokio::select! {
        biased;
        gone = async { timeout_at(deadline, child.wait()).await.is_ok() && members.empty_by(deadline).await } => gone,
        () = stop.now() => false,
    };
    let mut names = Vec::new();
    if !gone {
        names = members.names();
        members.kill().await;
        let _ = timeout_at(Instant::now() + LAST, child.wait()).await;
    }
    names
}
