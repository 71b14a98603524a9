//! The output of a target, on its way to the console and to its log file.

use std::borrow::Cow;

use super::annotation::{Annotation, Level};
use super::colours::Split;
use super::command::{self, Command};
use super::controls::Controls;
use super::drawn::Drawn;
use super::edits::{Edits, MASK};
use super::forms;
use super::lines;
use super::masker::Masker;
use super::neutralize::{find_breaks, neutralize};
use super::tail::Tail;
use crate::Secret;

/// A line without an end is held back up to this many bytes.
const PIECE: usize = 64 * 1024;

/// The longest text that `add-mask` accepts from a target, in bytes.
const LONGEST_MASK: usize = 16 * 1024;

/// The total size of the texts that `add-mask` accepts from a target, in bytes.
const ALL_MASKS: usize = 256 * 1024;

/// How to treat an output.
#[derive(Debug, Clone)]
pub struct Options {
    /// The prefix of each line on the console. With `None`, print the lines between
    /// [`super::StopToken::begin`] and [`super::StopToken::end`].
    pub prefix: Option<String>,
    /// How many last lines to keep.
    pub tail: usize,
    /// Words that must stay readable, such as the version and image names. `add-mask` refuses texts that would hide a
    /// part of one.
    pub refused: Vec<String>,
    /// How many texts `add-mask` accepts.
    pub masks: usize,
    /// How many annotations of each level are kept. GitHub shows ten in a step.
    pub annotations: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { prefix: None, tail: 40, refused: Vec::new(), masks: 1000, annotations: 10 }
    }
}

/// Text to print. Both texts are masked and cannot act as commands. Their only control sequences are colours, which
/// end with each line. Both are empty or end with LF, so our own commands may be printed between two of them.
#[derive(Debug)]
pub struct Printed<'a> {
    /// For the console.
    pub console: &'a [u8],
    /// For the log file: the same text without prefix.
    pub log: &'a [u8],
    /// The visible text of a line that has no end yet and was drawn with CR, as progress bars are.
    pub drawing: Option<&'a [u8]>,
    /// Pass these to `::add-mask::` before anything else is printed.
    pub masks: Vec<Secret>,
}

/// What was found in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Errors, warnings and notices in their order, masked and then [checked](Annotation::checked). Files are as the
    /// target wrote them.
    pub annotations: Vec<Annotation>,
    /// How many more annotations there were.
    pub more_annotations: usize,
    /// How many `add-mask` commands were refused. The commands themselves did not show their texts.
    pub refused_masks: usize,
    /// The last lines, masked and harmless wherever they are printed. Each ends its own colours.
    pub tail: Vec<String>,
}

/// The output of one target. It takes bytes and returns lines.
#[derive(Debug)]
pub struct Stream {
    masker: Masker,
    options: Options,
    controls: Controls,
    /// The last part, without control sequences.
    cleaned: Vec<u8>,
    /// The line that has no end yet.
    pending: Vec<u8>,
    /// Whether the beginning of the pending line has been printed.
    continued: bool,
    /// Whether to drop everything up to the next line end, because it is the rest of a text to be masked.
    swallowing: bool,
    console: Vec<u8>,
    log: Vec<u8>,
    drawn: Drawn,
    /// The complete lines, if some were drawn.
    lines: Vec<u8>,
    new_masks: Vec<Secret>,
    masks: usize,
    mask_bytes: usize,
    refused_masks: usize,
    annotations: Vec<Annotation>,
    more_annotations: usize,
    tail: Tail,
    edits: Edits,
}

impl Stream {
    /// An output that `masker` masks. `add-mask` commands add to `masker`.
    pub fn new(masker: Masker, options: Options) -> Self {
        Self {
            masker,
            tail: Tail::new(options.tail),
            options,
            controls: Controls::default(),
            cleaned: Vec::new(),
            pending: Vec::new(),
            continued: false,
            swallowing: false,
            console: Vec::new(),
            log: Vec::new(),
            drawn: Drawn::default(),
            lines: Vec::new(),
            new_masks: Vec::new(),
            masks: 0,
            mask_bytes: 0,
            refused_masks: 0,
            annotations: Vec::new(),
            more_annotations: 0,
            edits: Edits::default(),
        }
    }

    /// Takes a part of the output and returns the lines that are complete. Large parts are faster.
    pub fn push(&mut self, bytes: &[u8]) -> Printed<'_> {
        self.log.clear();
        let mut cleaned = std::mem::take(&mut self.cleaned);
        let mut rest = self.controls.pass(bytes, &mut cleaned);
        if self.swallowing {
            match lines::first_end(rest) {
                Some(end) => {
                    rest = &rest[end..];
                    self.swallowing = false;
                    self.continued = false;
                }
                None => rest = &[],
            }
        }
        if !self.pending.is_empty()
            && let Some(end) = lines::first_end(rest)
        {
            self.pending.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            self.pending_line();
        }
        if let Some(end) = lines::last_end(rest) {
            self.block(&rest[..end], true, true);
            rest = &rest[end..];
        }
        self.pending.extend_from_slice(rest);
        self.cleaned = cleaned;
        self.pieces();
        self.printed(false)
    }

    /// Returns the rest at the end of the output.
    pub fn finish(&mut self) -> Printed<'_> {
        self.log.clear();
        self.pending.extend(self.controls.rest());
        if !self.pending.is_empty() {
            self.pending.push(b'\n');
            self.pending_line();
        }
        self.printed(true)
    }

    /// Takes the last text for the log file out of the stream. `spare` replaces its buffer.
    pub fn take_log(&mut self, spare: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.log, spare)
    }

    /// What was found in the output so far.
    pub fn findings(&self) -> Findings {
        let mask = |text: &str| self.masker.clean(text);
        let annotations = self.annotations.iter().filter_map(|annotation| {
            let masked = Annotation {
                title: annotation.title.as_deref().map(mask),
                file: annotation.file.as_deref().map(mask),
                message: mask(&annotation.message),
                ..annotation.clone()
            };
            masked.checked()
        });
        Findings {
            annotations: annotations.collect(),
            more_annotations: self.more_annotations,
            refused_masks: self.refused_masks,
            tail: self
                .tail
                .lines()
                .iter()
                .map(|line| neutralize(&self.masker.mask(line)).into_owned())
                .collect(),
        }
    }

    fn printed(&mut self, ended: bool) -> Printed<'_> {
        let drew = !self.drawn.keeps(&self.log);
        if drew {
            self.lines.clear();
            self.drawn.append(&self.log, &mut self.lines);
            if ended {
                self.drawn.finish(&mut self.lines);
            }
            std::mem::swap(&mut self.log, &mut self.lines);
        }
        self.tail.push(&self.log);
        let console = match &self.options.prefix {
            None => &self.log,
            Some(prefix) => {
                self.console.clear();
                lines::prefixed(prefix.as_bytes(), &self.log, &mut self.console);
                &self.console
            }
        };
        let drawing = Some(self.drawn.shown()).filter(|shown| drew && !shown.is_empty());
        Printed { console, log: &self.log, drawing, masks: std::mem::take(&mut self.new_masks) }
    }

    /// Prints the pending line, which is now complete.
    fn pending_line(&mut self) {
        let mut line = std::mem::take(&mut self.pending);
        let begins = !std::mem::take(&mut self.continued);
        self.block(&line, begins, true);
        line.clear();
        self.pending = line;
    }

    /// Prints pieces of a line that is too long. It holds back enough that no secret is cut. If secrets overlap
    /// without an end, as repetitive ones do, the rest of the line is not shown. Such a line loses its colours,
    /// because a secret that they divide could be cut.
    fn pieces(&mut self) {
        let search = self.masker.search();
        // Enough for a secret across the cut and a few that overlap it. All that end before `sure` are known.
        let sure = PIECE + 3 * search.longest();
        let window = sure + search.longest();
        while self.pending.len() >= window + 4 {
            if let Cow::Owned(text) = Split::of(&self.pending).text {
                self.pending = text;
                continue;
            }
            let mut cut = PIECE;
            while cut > PIECE - 3 && self.pending[cut] & 0xC0 == 0x80 {
                cut -= 1;
            }
            let mut found = Vec::new();
            search.find(&self.pending[..window], &mut found);
            let across = found.into_iter().find(|(start, end)| (start + 1..*end).contains(&cut));
            let endless = across.is_some_and(|(_, end)| end > sure);
            if let Some((start, end)) = across {
                cut = if endless { start } else { end };
            }
            let rest = self.pending.split_off(cut);
            let piece = std::mem::replace(&mut self.pending, rest);
            self.block(&piece, !self.continued, false);
            if endless {
                self.log.extend_from_slice(MASK.as_bytes());
                self.swallowing = true;
            }
            self.log.push(b'\n');
            self.continued = true;
            if self.swallowing {
                self.pending.clear();
            }
        }
    }

    /// Prints lines or, if `whole` is false, a piece of a line. `begins` says that the block starts at the start of a
    /// line.
    fn block(&mut self, block: &[u8], begins: bool, whole: bool) {
        let split = Split::of(block);
        let block = &*split.text;
        let mut edits = std::mem::take(&mut self.edits);
        edits.clear();
        find_breaks(block, &mut edits.breaks);
        let mut done = 0;
        for at in &edits.breaks {
            if *at < done {
                continue;
            }
            let line = lines::around(block, *at);
            done = line.end.max(at + 1);
            if (begins || line.start > 0)
                && let Some(hidden) = self.obey(&block[line.clone()], whole)
            {
                edits.masked.push((line.start + hidden, line.end));
            }
        }
        self.masker.search().find(block, &mut edits.masked);
        edits.apply(&split, &mut self.log);
        self.edits = edits;
    }

    /// Obeys the command in a line, if there is one. Returns the position from which on the line must not be shown.
    fn obey(&mut self, line: &[u8], whole: bool) -> Option<usize> {
        let parsed = command::parse(line)?;
        match parsed.command {
            Command::AddMask(value) => {
                self.swallowing = !whole;
                if whole && self.may_mask(value.expose()) {
                    self.masks += 1;
                    self.mask_bytes += value.expose().len();
                    self.new_masks.extend(self.masker.add([&value]));
                } else {
                    self.refused_masks += 1;
                }
                Some(parsed.message_at)
            }
            Command::Annotation(annotation) => {
                let level: Level = annotation.level;
                let kept = self.annotations.iter().filter(|kept| kept.level == level).count();
                if kept < self.options.annotations {
                    self.annotations.push(annotation);
                } else {
                    self.more_annotations += 1;
                }
                None
            }
            Command::Other(_) => None,
        }
    }

    fn may_mask(&self, value: &str) -> bool {
        if value.trim().chars().count() < forms::SHORTEST
            || self.masks >= self.options.masks
            || value.len() > LONGEST_MASK
            || self.mask_bytes + value.len() > ALL_MASKS
        {
            return false;
        }
        let forms = forms::all(value);
        let hides = |text: &str| self.options.refused.iter().any(|word| word.contains(text));
        // The runner also masks the text without its double quotes, and the parts between ampersands
        // (TrimDoubleQuotes and PowerShellPostAmpersandEscape in its ValueEncoders.cs).
        let parts = || {
            forms::lines(value).flat_map(|line| {
                [line.trim_matches('"')]
                    .into_iter()
                    .chain(line.split('&').filter(|part| part.len() >= forms::SHORTEST))
            })
        };
        !forms.iter().any(|form| hides(form)) && !parts().any(hides)
    }
}
