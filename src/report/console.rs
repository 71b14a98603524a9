//! Standard output, which text and workflow commands share.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::output::{Annotation, Level, Masker, StopToken, command, inert};
use crate::secret::Secret;

/// The one writer to standard output and error, shared by the listeners that print.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Screen>>);

struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    github: bool,
    masker: Masker,
    masks: bool,
    group: bool,
    region: Option<StopToken>,
}

impl Console {
    /// A console on `out`; workflow commands are written only where `github` reads them.
    /// Complaints go to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, github: bool, masker: Masker) -> Self {
        Self(Arc::new(Mutex::new(Screen {
            out,
            err,
            github,
            masker,
            masks: true,
            group: false,
            region: None,
        })))
    }

    /// Whether GitHub's runner reads this output.
    pub fn is_github(&self) -> bool {
        self.with(|screen| screen.github)
    }

    /// The secrets that this console masks; what is added is masked from then on.
    pub fn masker(&self) -> Masker {
        self.with(|screen| screen.masker.clone())
    }

    /// Hides secrets from now on: in all that goes through the masker, and by the runner. Before anything
    /// is done with them, or a log line could come first.
    pub fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let new = self.masker().add(secrets);
        for new in new.iter().filter(|_| self.with(|screen| screen.masks)) {
            self.command(&command::add_mask(new));
        }
    }

    /// From now on the runner is told of no secret: what is printed may be read by a program, and nothing
    /// runs that could show one.
    pub fn only_answers(&self) {
        self.with(|screen| screen.masks = false);
    }

    /// Lines of our own text for standard error.
    pub fn complain(&self, text: &str) {
        self.with(|screen| {
            let text = screen.masker.mask(text).into_owned();
            let _gone = writeln!(screen.err, "{}", inert(&text));
        });
    }

    /// A line on standard error that the next one takes the place of, for a terminal. An empty one
    /// clears it.
    pub fn live(&self, text: &str) {
        self.with(|screen| {
            let text = screen.masker.mask(text).into_owned();
            let _gone = write!(screen.err, "\r\x1b[K{}", inert(&text)).and_then(|()| screen.err.flush());
        });
    }

    /// Lines of our own text; names of others in it are harmless.
    pub fn say(&self, text: &str) {
        self.with(|screen| {
            let text = screen.masker.mask(text).into_owned();
            screen.write(&[inert(&text).as_bytes(), b"\n"]);
        });
    }

    /// What a target printed: masked and in whole lines.
    pub fn print(&self, text: &[u8]) {
        self.with(|screen| {
            if screen.github && screen.region.is_none() {
                let harmless = inert(&String::from_utf8_lossy(text)).into_owned();
                screen.write(&[harmless.as_bytes()]);
            } else {
                screen.write(&[text]);
            }
        });
    }

    /// A workflow command, as [`command`] writes it. Inside a group the stop region is lifted
    /// for it.
    pub fn command(&self, line: &str) {
        self.with(|screen| {
            if screen.github {
                screen.leave();
                screen.write(&[line.as_bytes(), b"\n"]);
                screen.enter();
            }
        });
    }

    /// An annotation of ours or one that was checked.
    pub fn annotate(&self, annotation: Annotation) {
        let masked = |text: String| self.with(|screen| screen.masker.mask(&text).into_owned());
        let annotation = Annotation { message: masked(annotation.message), ..annotation };
        if let Some(annotation) = annotation.checked() {
            self.command(&command::annotation(&annotation));
        }
    }

    /// An error, warning or notice of ours under a title.
    pub fn annotate_text(&self, level: Level, title: &str, message: &str) {
        let title = Some(title.to_owned());
        self.annotate(Annotation { title, ..Annotation::new(level, message) });
    }

    /// Opens a group; nothing that is printed in it acts as a command.
    pub fn open(&self, title: &str) {
        self.with(|screen| {
            if screen.github {
                screen.write(&[command::group(&inert(title)).as_bytes(), b"\n"]);
            } else {
                screen.write(&[b"\n== ", title.as_bytes(), b"\n"]);
            }
            screen.group = true;
            screen.enter();
        });
    }

    /// Closes the group.
    pub fn close(&self) {
        self.with(|screen| {
            screen.leave();
            screen.group = false;
            if screen.github {
                screen.write(&[command::end_group().as_bytes(), b"\n"]);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Screen) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Screen {
    /// A reader that went away (`p2p … | head`) is no reason to end the gate.
    fn write(&mut self, parts: &[&[u8]]) {
        let written = parts.iter().try_for_each(|part| self.out.write_all(part));
        let _gone = written.and_then(|()| self.out.flush());
    }

    /// Begins a stop region where one is due. Each has a token of its own: whoever reads the log
    /// knows the old ones. Without randomness there is none, and [`Console::print`] sees to it.
    fn enter(&mut self) {
        if self.github
            && self.group
            && let Ok(token) = StopToken::new()
        {
            self.write(&[token.begin().as_bytes()]);
            self.region = Some(token);
        }
    }

    fn leave(&mut self) {
        if let Some(token) = self.region.take() {
            self.write(&[token.end().as_bytes()]);
        }
    }
}
