//! The progress of a copy in one line: blobs, bytes, rate. A terminal shows it live, a log from time to time.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Console;
use oci::{CopyListener, CopyProgress, Digest};
use sys::sync::Mutex;

/// How often a terminal shows a new line.
const LIVE: Duration = Duration::from_millis(200);
/// How often a log gets a line.
const LOGGED: Duration = Duration::from_secs(10);
/// The width of the bar, in characters.
const BAR: u64 = 20;

/// The progress of a copy. Clones share it.
#[derive(Clone)]
pub struct Transfer(Arc<Mutex<State>>);

struct State {
    began: Instant,
    blobs: u64,
    bytes: u64,
    done_blobs: u64,
    done_bytes: u64,
    /// The bytes of completely moved blobs.
    moved: u64,
    moving: HashMap<Digest, u64>,
}

impl Default for Transfer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            began: Instant::now(),
            blobs: 0,
            bytes: 0,
            done_blobs: 0,
            done_bytes: 0,
            moved: 0,
            moving: HashMap::new(),
        })))
    }
}

impl Transfer {
    /// A listener for the copy's events.
    pub fn listener(&self) -> CopyListener {
        let shared = self.clone();
        CopyListener::new(move |event| {
            let mut state = shared.0.lock();
            match event {
                CopyProgress::Found { blobs, bytes } => (state.blobs, state.bytes) = (blobs, bytes),
                CopyProgress::Moving { digest, done, .. } => {
                    state.moving.insert(digest, done);
                }
                CopyProgress::Done { digest, size, .. } => {
                    state.done_blobs += 1;
                    state.done_bytes += size;
                    if state.moving.remove(&digest).is_some() {
                        state.moved += size;
                    }
                }
            }
        })
    }

    /// Waits for `work`. Meanwhile a terminal shows a bar, and a log gets a line every 10 s.
    pub async fn watch<T>(&self, console: &Console, work: impl Future<Output = T>) -> T {
        if !console.view().terminal {
            return self.every(LOGGED, |transfer| console.complain(&transfer.line()), work).await;
        }
        let ended = self.every(LIVE, |transfer| console.live(&[transfer.bar()]), work).await;
        console.live(&[]);
        ended
    }

    /// Waits for `work`, and passes a line to `tell` every 10 s.
    pub async fn logged<T>(&self, tell: impl Fn(&str), work: impl Future<Output = T>) -> T {
        self.every(LOGGED, |transfer| tell(&transfer.line()), work).await
    }

    async fn every<T>(&self, pause: Duration, tell: impl Fn(&Self), work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(pause, &mut work).await {
                Ok(ended) => return ended,
                Err(_) => tell(self),
            }
        }
    }

    /// `12 of 40 blobs, 81.2 of 200.0 MiB, 20.3 MiB/s`.
    pub fn line(&self) -> String {
        let state = self.0.lock();
        state.line(state.began.elapsed())
    }

    fn bar(&self) -> String {
        let state = self.0.lock();
        let (here, _) = state.so_far();
        let full = (here * BAR).checked_div(state.bytes).unwrap_or(0).min(BAR);
        let bar: String = (0..BAR).map(|at| if at < full { '█' } else { '░' }).collect();
        format!("{bar} {}", state.line(state.began.elapsed()))
    }
}

impl State {
    /// The bytes that are at the destination, and the moved ones among them.
    fn so_far(&self) -> (u64, u64) {
        let moving: u64 = self.moving.values().sum();
        (self.done_bytes + moving, self.moved + moving)
    }

    fn line(&self, took: Duration) -> String {
        let (here, moved) = self.so_far();
        let rate = moved * 1000 / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        format!(
            "{} of {} blobs, {} of {} MiB, {} MiB/s",
            self.done_blobs,
            self.blobs,
            mib(here),
            mib(self.bytes),
            mib(rate)
        )
    }
}

/// Formats bytes as MiB with one decimal.
fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Arrival;

    #[test]
    fn counts_what_is_there_and_what_is_on_its_way() {
        const MIB: u64 = 1024 * 1024;
        let transfer = Transfer::default();
        let on_event = |event| transfer.listener().on_event(event);
        let (one, two, three) = (Digest::of("1"), Digest::of("2"), Digest::of("3"));
        on_event(CopyProgress::Found { blobs: 3, bytes: 40 * MIB });
        on_event(CopyProgress::Moving { digest: one.clone(), size: 10 * MIB, done: 9 * MIB });
        // A try that failed starts again.
        on_event(CopyProgress::Moving { digest: one.clone(), size: 10 * MIB, done: 5 * MIB });
        on_event(CopyProgress::Done { digest: two, size: 20 * MIB, how: Arrival::Skipped });
        let line = |transfer: &Transfer| transfer.0.lock().line(Duration::from_secs(2));
        assert_eq!(line(&transfer), "1 of 3 blobs, 25.0 of 40.0 MiB, 2.5 MiB/s");
        on_event(CopyProgress::Done { digest: one, size: 10 * MIB, how: Arrival::Moved });
        on_event(CopyProgress::Done { digest: three, size: 10 * MIB, how: Arrival::Mounted });
        assert_eq!(line(&transfer), "3 of 3 blobs, 40.0 of 40.0 MiB, 5.0 MiB/s");
        assert!(transfer.bar().starts_with("████████████████████ 3 of 3"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_gets_a_line_every_ten_seconds() {
        let lines = Mutex::new(Vec::new());
        let tell = |line: &str| lines.lock().push(line.to_owned());
        Transfer::default().logged(tell, tokio::time::sleep(Duration::from_secs(25))).await;
        assert_eq!(lines.lock().len(), 2);
    }
}
