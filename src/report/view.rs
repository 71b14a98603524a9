//! Who reads the output: GitHub's runner, a terminal or a pipe, with or without colours.

use std::borrow::Cow;

use sys::world::{Env, World};

/// The readers of standard output and standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub struct View {
    /// GitHub's runner reads them.
    pub github: bool,
    /// Standard error is a terminal that can redraw lines.
    pub terminal: bool,
    /// Both are the same terminal.
    pub live: bool,
    /// Standard output shows colours.
    pub colours: bool,
    /// Standard error shows colours.
    pub error_colours: bool,
}

impl View {
    /// Finds out from the environment and the streams of the process.
    pub fn of(world: &World) -> Self {
        let env = &world.env;
        let github = env.get("GITHUB_ACTIONS") == Some("true");
        let smart = !github && !matches!(env.get("TERM"), None | Some("dumb"));
        let terminal = smart && world.terminal;
        let out = smart && world.stdout_terminal;
        let wanted = asked(env);
        Self {
            github,
            terminal,
            live: terminal && out,
            colours: wanted.unwrap_or(github || out),
            error_colours: wanted.unwrap_or(github || terminal),
        }
    }
}

/// Whether the user requests or forbids colours (<https://no-color.org>, <https://force-color.org>,
/// <https://bixense.com/clicolors>). Forbidding wins.
fn asked(env: &Env) -> Option<bool> {
    let no = |name| matches!(env.get(name), Some("0" | "false"));
    if env.get("NO_COLOR").is_some() || no("FORCE_COLOR") {
        return Some(false);
    }
    if env.get("FORCE_COLOR").is_some() || env.get("CLICOLOR_FORCE").is_some() && !no("CLICOLOR_FORCE") {
        return Some(true);
    }
    no("CLICOLOR").then_some(false)
}

/// The colours of p2p's own lines, by their beginning: parameters of SGR (ECMA-48 section 8.3.117).
const COLOURS: [(&str, &str); 7] = [
    ("✓ ", "32"),
    ("✗ ", "31"),
    ("- ", "2"),
    ("… ", "2"),
    ("error: ", "31"),
    ("warning: ", "33"),
    ("note: ", "2"),
];

/// Adds colours to lines of p2p, if the reader sees them. Each line ends its own colour.
pub(super) fn painted(text: &str, colours: bool) -> Cow<'_, str> {
    if !colours {
        return Cow::Borrowed(text);
    }
    let lines = text.split('\n').map(|line| {
        let colour = COLOURS.iter().find(|(begins, _)| line.starts_with(begins));
        colour.map_or_else(|| line.to_owned(), |(_, colour)| format!("\x1b[{colour}m{line}\x1b[0m"))
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(variables: &[(&str, &str)], terminals: (bool, bool)) -> View {
        View::of(&World {
            env: variables.iter().copied().collect(),
            reserved: Env::default(),
            args: Vec::new(),
            directory: "/".into(),
            now: jiff::Timestamp::UNIX_EPOCH,
            stdout_terminal: terminals.0,
            terminal: terminals.1,
        })
    }

    #[test]
    fn colours_are_where_they_are_seen_or_asked_for() {
        let xterm = ("TERM", "xterm");
        for (variables, terminals, colours, errors) in [
            (&[xterm][..], (true, true), true, true),
            (&[xterm], (false, true), false, true),
            (&[xterm], (true, false), true, false),
            (&[xterm], (false, false), false, false),
            (&[], (true, true), false, false),
            (&[("TERM", "dumb")], (true, true), false, false),
            (&[("TERM", "dumb"), ("FORCE_COLOR", "1")], (true, true), true, true),
            (&[xterm, ("NO_COLOR", "1")], (true, true), false, false),
            (&[xterm, ("NO_COLOR", "")], (true, true), true, true),
            (&[xterm, ("NO_COLOR", "0"), ("FORCE_COLOR", "1")], (true, true), false, false),
            (&[("FORCE_COLOR", "3")], (false, false), true, true),
            (&[xterm, ("FORCE_COLOR", "0")], (true, true), false, false),
            (&[("CLICOLOR_FORCE", "1")], (false, false), true, true),
            (&[("CLICOLOR_FORCE", "0")], (false, false), false, false),
            (&[xterm, ("CLICOLOR", "0")], (true, true), false, false),
            (&[xterm, ("CLICOLOR", "1")], (false, false), false, false),
            (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], (false, false), true, true),
            (&[("GITHUB_ACTIONS", "true")], (false, false), true, true),
            (&[("GITHUB_ACTIONS", "true"), ("TERM", "dumb")], (false, false), true, true),
            (&[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")], (false, false), false, false),
        ] {
            let view = view(variables, terminals);
            assert_eq!((view.colours, view.error_colours), (colours, errors), "{variables:?} {terminals:?}");
        }
    }

    #[test]
    fn lines_are_drawn_over_on_terminals_that_can_do_it() {
        let live = |variables: &[_], terminals| {
            let view = view(variables, terminals);
            (view.live, view.terminal)
        };
        let xterm = [("TERM", "xterm"), ("NO_COLOR", "1")];
        assert_eq!(live(&xterm, (true, true)), (true, true));
        assert_eq!(live(&xterm, (false, true)), (false, true));
        assert_eq!(live(&xterm, (true, false)), (false, false));
        assert_eq!(live(&[], (true, true)), (false, false));
        assert_eq!(live(&[("TERM", "dumb")], (true, true)), (false, false));
        assert_eq!(live(&[("TERM", "xterm"), ("GITHUB_ACTIONS", "true")], (true, true)), (false, false));
    }

    #[test]
    fn each_line_ends_its_colour() {
        assert_eq!(painted("\n✓ it passed\nplain", true), "\n\x1b[32m✓ it passed\x1b[0m\nplain");
    }
}
