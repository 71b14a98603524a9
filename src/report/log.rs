//! The log that a person reads while the gate runs, and right after a failure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::why::why;
use super::{Console, Listener, View, results, time};
use crate::gate::outcome::{Event, Outcome, Status, StepResult, Verdict};
use crate::gate::plan::{Place, Plan};
use workflow_commands::Level;

/// How often a terminal shows the line that a target redraws.
const LIVE: Duration = Duration::from_millis(100);
/// A step without news for this long has ended.
const GONE: Duration = Duration::from_secs(3);
/// How long a log stays silent while a target redraws its line or prints nothing.
const LOGGED: Duration = Duration::from_mins(1);

/// Writes the log.
pub struct Log {
    console: Console,
    /// Whether standard output is only for the version.
    bare: bool,
    /// When output of a target was last shown.
    printed: Instant,
    /// The silent minutes of each step that the log has reported.
    silent: BTreeMap<String, u64>,
    /// The running steps.
    running: BTreeMap<String, Running>,
}

/// A running step.
struct Running {
    /// Its elapsed time.
    time: Duration,
    /// The last line of its target.
    last: String,
    /// When the last news came.
    heard: Instant,
}

impl Log {
    pub fn new(console: Console) -> Self {
        Self {
            console,
            bare: false,
            printed: Instant::now(),
            silent: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// A log for scripts on a laptop: standard output has only the version. Notes and errors go to standard error.
    pub fn of_version(console: Console) -> Self {
        Self { bare: true, ..Self::new(console) }
    }

    fn say(&self, text: &str) {
        if self.bare {
            self.console.complain(text);
        } else {
            self.console.say(text);
        }
    }

    /// Shows a progress bar. A terminal shows it live. A log shows one line when it is complete, and a line from
    /// time to time, so that the target does not look stuck.
    fn drawing(&mut self, step: &str, text: &[u8]) {
        let View { terminal, live, .. } = self.console.view();
        if self.printed.elapsed() < if terminal { LIVE } else { LOGGED } {
            return;
        }
        self.printed = Instant::now();
        let shown = String::from_utf8_lossy(text);
        match self.running.get_mut(step) {
            Some(running) if live => {
                running.last = shown.into_owned();
                self.show();
            }
            _ if terminal => self.console.live(&[shown.into_owned()]),
            _ => self.console.print(&[text, b"\n"].concat()),
        }
    }

    /// Shows the lines of the running steps. A step without news has ended and waits for its neighbour.
    fn show(&self) {
        let running = self.running.iter().filter(|(_, running)| running.heard.elapsed() < GONE);
        let lines = running.map(|(step, Running { time: passed, last, .. })| {
            let passed = match passed.as_secs() {
                seconds @ 0..10 => format!("{seconds} s"),
                _ => time(passed.as_secs_f64().floor()),
            };
            format!("▸ {step}  {passed}  {last}")
        });
        self.console.live(&lines.collect::<Vec<_>>());
    }

    /// A terminal shows the running steps. A log gets a line for each minute without output, so that the target does
    /// not look stuck.
    fn alive(&mut self, step: &str, (running, silent): (Duration, Duration), last: &str) {
        if self.console.view().live {
            let running = Running { time: running, last: last.to_owned(), heard: Instant::now() };
            self.running.insert(step.to_owned(), running);
            return self.show();
        }
        let minutes = silent.as_secs() / LOGGED.as_secs();
        let before = self.silent.insert(step.to_owned(), minutes).unwrap_or_default();
        if minutes > before {
            let (silent, running) = (time(silent.as_secs_f64()), time(running.as_secs_f64()));
            self.say(&format!(
                "… {step} has printed nothing for {silent}; it has been running for {running}"
            ));
        }
    }

    fn began(&self, plan: &Plan) {
        let place = match plan.place {
            Place::Github => "",
            Place::Local => " (local)",
        };
        let of = plan.commit().map_or_else(String::new, |commit| format!(" of commit {commit}"));
        match plan.version.version.as_str() {
            "" => self.say(&format!("p2p {}{place}: nothing to do: {}", plan.command, plan.version.because)),
            _ if self.bare => {}
            version => self.say(&format!("p2p {}{place}: version {version}{of}", plan.command)),
        }
        for note in &plan.notes {
            self.say(note);
        }
        if !self.console.is_github() {
            for warning in &plan.warnings {
                self.say(&format!("warning: {warning}"));
            }
        }
    }

    fn ended(&self, result: &StepResult) {
        if self.bare && result.status == Status::Passed {
            return;
        }
        let name = &result.name;
        let took = time(result.seconds);
        let reason = result.reason.as_deref().unwrap_or_default();
        let line = match result.status {
            Status::Passed if reason.is_empty() => format!("✓ {name} passed in {took}"),
            Status::Passed => format!("✓ {name} passed in {took}: {reason}"),
            // The failure follows.
            Status::Failed if result.failure.is_some() => format!("✗ {name} failed after {took}"),
            Status::Nothing => format!("- {name} does nothing: it has neither recipe nor prerequisites"),
            Status::Skipped => format!("- {name} skipped: {reason}"),
            Status::Failed => format!("✗ {name} failed after {took}: {reason}"),
            Status::TimedOut => format!("✗ {name} ran into its time limit: {reason}"),
            Status::Interrupted => format!("✗ {name} was interrupted after {took}: {reason}"),
        };
        self.say(&line);
        if !result.leftovers.is_empty() {
            self.say(&format!(
                "  {name} left processes running in the background; they were ended: {}",
                result.leftovers.join(", ")
            ));
        }
        let headline = result.cause.as_ref().map(|cause| &cause.headline);
        // On GitHub, the annotation that follows contains it.
        let own = result.failure.as_ref().filter(|_| !self.console.is_github()).map(|failure| &failure.what);
        if let Some(because) = own.or(headline) {
            self.say(&format!("  because:    {because}"));
        }
        if !result.cluster.is_empty() {
            self.say(&format!("  what the cluster says of {name}:"));
            for line in &result.cluster {
                self.say(&format!("  | {line}"));
            }
        }
        for line in result.tests.iter().flat_map(results::lines) {
            self.say(&format!("  {line}"));
        }
        if let (false, Some(log)) = (result.status.passes(), &result.log) {
            self.say(&format!("  whole log:  {log}"));
        }
        if let (false, Some(repeat)) = (result.status.passes(), &result.repeat) {
            self.say(&format!("  repeat it:  {repeat}"));
        }
    }

    fn over(&self, outcome: &Outcome) {
        let took = time(outcome.seconds);
        let version = &outcome.plan.version.version;
        if self.bare && outcome.result == Verdict::Success {
            if !version.is_empty() {
                self.console.say(version);
            }
            return;
        }
        for namespace in &outcome.half_deployed {
            self.say(&format!("  may be half-deployed: namespace {namespace}"));
        }
        let line = match outcome.result {
            Verdict::Success if version.is_empty() => {
                format!("\n✓ {} had nothing to do", outcome.plan.command)
            }
            Verdict::Success => format!("\n✓ {} of {version} passed in {took}", outcome.plan.command),
            Verdict::Failure => {
                let failed: Vec<_> = outcome
                    .steps
                    .iter()
                    .filter(|step| !step.status.passes())
                    .map(|step| &*step.name)
                    .collect();
                format!("\n✗ {} of {version} failed in {took}: {}", outcome.plan.command, failed.join(", "))
            }
            Verdict::Skipped => format!("\n- {} was skipped", outcome.plan.command),
            Verdict::Cancelled => {
                format!("\n✗ {} of {version} was interrupted after {took}", outcome.plan.command)
            }
        };
        self.say(&line);
        // This is the last thing on the screen.
        for failed in outcome.steps.iter().filter_map(StepResult::failed_step) {
            for line in why(&failed) {
                self.say(&line);
            }
        }
    }
}

impl Listener for Log {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Began { plan } => self.began(plan),
            Event::Message(Level::Notice, text) => self.say(text),
            // GitHub also shows annotations in the log.
            Event::Message(Level::Warning, text) if !self.console.is_github() => {
                self.say(&format!("warning: {text}"));
            }
            Event::Retry(again) => self.say(&format!(
                "  try {} of {} failed ({}: {}); next in {}",
                again.attempt,
                again.of,
                again.what,
                again.why,
                time(again.wait.as_secs_f64())
            )),
            Event::GroupBegan(steps) => {
                let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
                self.console.open(&names.join(" and "));
            }
            Event::Printed(text) => {
                self.printed = Instant::now();
                self.console.print(text);
            }
            Event::Drawing { step, text } => self.drawing(step, text),
            Event::Alive { step, running, silent, last } => self.alive(step, (*running, *silent), last),
            Event::GroupEnded => self.console.close(),
            Event::StepEnded(result) => {
                self.running.remove(&result.name);
                if self.console.view().terminal {
                    self.show();
                }
                self.ended(result);
            }
            Event::Recorded(image) => {
                self.say(&format!("recorded {}@{}", image.reference, image.digest));
            }
            Event::Scanned(scan) => self.say(&format!("  found: {scan}\n  reports: {}", scan.directory)),
            Event::Promoted(promoted) => self
                .say(&format!("promoted {} → {}@{}", promoted.source, promoted.destination, promoted.digest)),
            Event::Ended(outcome) => self.over(outcome),
            Event::Mask(_) | Event::Message(..) | Event::Annotated(_) | Event::Summarised(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use sys::sync::Mutex;

    use super::*;

    /// Keeps the written text.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_minute_of_silence_is_a_line_and_output_begins_it_anew() {
        let out = Kept::default();
        let console = Console::new(Box::new(out.clone()), Box::new(io::sink()), View::default());
        let mut log = Log::new(console);
        let mut second = |running: u64, silent: u64| {
            let (running, silent) = (Duration::from_secs(running), Duration::from_secs(silent));
            log.on_event(&Event::Alive { step: "p2p-nft", running, silent, last: "" });
        };
        for silent in 0..125 {
            second(100 + silent, silent);
        }
        for silent in 0..62 {
            second(225 + silent, silent);
        }
        let text = String::from_utf8_lossy(&out.0.lock()).into_owned();
        assert_eq!(
            text,
            "… p2p-nft has printed nothing for 1 min 00 s; it has been running for 2 min 40 s\n\
             … p2p-nft has printed nothing for 2 min 00 s; it has been running for 3 min 40 s\n\
             … p2p-nft has printed nothing for 1 min 00 s; it has been running for 4 min 45 s\n"
        );
    }
}
