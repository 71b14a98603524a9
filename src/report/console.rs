//! Standard output, which text and workflow commands share.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use super::live::Live;
use super::view::{View, painted};
use sys::sync::Mutex;
use workflow_commands::{Annotation, Level, Masker, StopToken, command, neutralize, uncoloured};
use workflow_commands::{Secret, Secrets};

/// The only writer to standard output and standard error. All listeners that print share it.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Screen>>);

struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    view: View,
    masker: Masker,
    masks: bool,
    group: bool,
    region: Option<StopToken>,
    live: Live,
}

impl Console {
    /// A console on `out`. Workflow commands are written only if GitHub reads them. Messages and live lines go to
    /// `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, view: View) -> Self {
        Self(Arc::new(Mutex::new(Screen {
            out,
            err,
            view,
            masker: Masker::default(),
            masks: true,
            group: false,
            region: None,
            live: Live::default(),
        })))
    }

    /// Whether GitHub's runner reads this output.
    pub fn is_github(&self) -> bool {
        self.with(|screen| screen.github())
    }

    /// How this output is read.
    pub fn view(&self) -> View {
        self.with(|screen| screen.view)
    }

    /// The secrets that this console masks. Secrets that are added later are masked from then on.
    pub fn masker(&self) -> Masker {
        self.with(|screen| screen.masker.clone())
    }

    /// Masks secrets from now on, in everything that goes through the masker and in the runner. Call this before the
    /// secrets are used, because a log line could come first.
    pub fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let new = self.masker().add(secrets);
        for new in new.iter().filter(|_| self.with(|screen| screen.masks)) {
            self.command(&command::add_mask(new));
        }
    }

    /// A sink that masks each secret.
    pub fn secrets(&self) -> Secrets {
        let console = self.clone();
        Secrets::new(move |secret| console.hide([secret]))
    }

    /// Stops telling the runner about secrets: a program may read the output, and nothing runs that could print a
    /// secret.
    pub fn only_answers(&self) {
        self.with(|screen| screen.masks = false);
    }

    /// Prints lines of p2p to standard error.
    pub fn complain(&self, text: &str) {
        self.with(|screen| {
            let text = screen.masker.clean(text);
            let text = neutralize(&text);
            let text = painted(&text, screen.view.error_colours);
            screen.live.clear(&mut screen.err);
            let _gone = writeln!(screen.err, "{text}");
            screen.live.again(&mut screen.err);
        });
    }

    /// Replaces the live lines at the bottom of the terminal. No lines clear them.
    pub fn live(&self, lines: &[String]) {
        self.with(|screen| {
            let lines = lines.iter().map(|line| neutralize(&screen.masker.clean(line)).into_owned());
            screen.live.set(lines.collect(), &mut screen.err);
        });
    }

    /// Prints lines of p2p. Names of others in them cannot act as commands.
    pub fn say(&self, text: &str) {
        self.with(|screen| {
            let text = screen.masker.clean(text);
            let text = neutralize(&text);
            let text = painted(&text, screen.view.colours);
            screen.write(&[text.as_bytes(), b"\n"]);
        });
    }

    /// Prints whole, masked lines of a target.
    pub fn print(&self, text: &[u8]) {
        self.with(|screen| {
            let plain = if screen.view.colours { Cow::Borrowed(text) } else { uncoloured(text) };
            let text = &*plain;
            if screen.github() && screen.region.is_none() {
                let harmless = neutralize(&String::from_utf8_lossy(text)).into_owned();
                screen.write(&[harmless.as_bytes()]);
            } else {
                screen.write(&[text]);
            }
        });
    }

    /// Writes a workflow command, as [`command`] makes it. Inside a group, the stop region is lifted for it.
    pub fn command(&self, line: &str) {
        self.with(|screen| {
            if screen.github() {
                screen.leave();
                screen.write(&[line.as_bytes(), b"\n"]);
                screen.enter();
            }
        });
    }

    /// Writes an annotation of p2p, or a validated one.
    pub fn annotate(&self, annotation: Annotation) {
        let masker = self.masker();
        let clean = |text: Option<String>| text.map(|text| masker.clean(&text));
        let annotation = Annotation {
            title: clean(annotation.title),
            file: clean(annotation.file),
            message: masker.clean(&annotation.message),
            ..annotation
        };
        if let Some(annotation) = annotation.checked() {
            self.command(&command::annotation(&annotation));
        }
    }

    /// Writes an error, a warning or a notice of p2p with a title.
    pub fn annotate_text(&self, level: Level, title: &str, message: &str) {
        let title = Some(title.to_owned());
        self.annotate(Annotation { title, ..Annotation::new(level, message) });
    }

    /// Opens a group. Nothing that is printed in it can act as a command.
    pub fn open(&self, title: &str) {
        self.with(|screen| {
            let title = screen.masker.clean(title);
            if screen.github() {
                screen.write(&[command::group(&neutralize(&title)).as_bytes(), b"\n"]);
            } else {
                screen.write(&[b"\n== ", title.as_bytes(), b"\n"]);
            }
            screen.group = true;
            screen.enter();
        });
    }

    pub fn close(&self) {
        self.with(|screen| {
            screen.leave();
            screen.group = false;
            if screen.github() {
                screen.write(&[command::end_group().as_bytes(), b"\n"]);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Screen) -> T) -> T {
        act(&mut self.0.lock())
    }
}

impl Screen {
    fn github(&self) -> bool {
        self.view.github
    }

    /// Writes the parts. A closed output (`p2p … | head`) does not end the gate.
    fn write(&mut self, parts: &[&[u8]]) {
        self.live.clear(&mut self.err);
        let written = parts.iter().try_for_each(|part| self.out.write_all(part));
        let _gone = written.and_then(|()| self.out.flush());
        self.live.again(&mut self.err);
    }

    /// Begins a stop region if one is needed. Each has a new token, because a reader of the log knows the old ones.
    /// Without randomness there is no region, and [`Console::print`] neutralizes the output.
    fn enter(&mut self) {
        if self.github()
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
