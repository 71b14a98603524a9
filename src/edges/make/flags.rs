//! Options of make that come from the environment: the variables `MAKEFLAGS` and `GNUMAKEFLAGS`.

use sys::world::Env;

/// The variables that make reads options from.
const VARIABLES: [&str; 2] = ["MAKEFLAGS", "GNUMAKEFLAGS"];

/// Options with which make ends well without running recipes, or although they failed.
const UNTESTED: [(char, &[&str]); 5] = [
    ('i', &["ignore-errors"]),
    ('n', &["dry-run", "just-print", "recon"]),
    ('q', &["question"]),
    ('t', &["touch"]),
    ('v', &["version"]),
];

/// Short options whose argument may follow in the same word, such as `-j4`.
const WITH_ARGUMENT: &str = "CEIOWfjlo";

/// An option or variable in the environment that no target may be run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// An option with which a target would pass untested.
    Untested {
        /// The variable that holds it.
        variable: &'static str,
        /// The word it is in.
        word: String,
    },
    /// A variable of make that would win over the environment.
    Assigned {
        /// The variable that holds it.
        variable: &'static str,
        /// The name of the variable of make.
        name: String,
    },
}

/// The first word of make's options in `env` that no target may be run with; `ours` says whether a
/// variable of make is one that the gate sets.
pub fn unwanted(env: &Env, ours: impl Fn(&str) -> bool) -> Option<Unwanted> {
    VARIABLES.into_iter().find_map(|variable| {
        // Targets do not get the options of a make that started us.
        let text = env.get(variable).filter(|text| !text.contains("--jobserver"))?;
        let mut options = true;
        text.split_ascii_whitespace().enumerate().find_map(|(position, word)| {
            options &= word != "--";
            if options && is_untested(word, position == 0) {
                return Some(Unwanted::Untested { variable, word: word.to_owned() });
            }
            let name = word.split_once('=')?.0.trim_end_matches([':', '+', '?', '!']);
            (!word.starts_with('-') && ours(name))
                .then(|| Unwanted::Assigned { variable, name: name.to_owned() })
        })
    })
}

/// Whether a word holds one of [`UNTESTED`]. The first one may be short options without a dash.
fn is_untested(word: &str, first: bool) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        let long = long.split('=').next().unwrap_or_default();
        // getopt takes the beginning of a name for it.
        return !long.is_empty()
            && UNTESTED.iter().any(|(_, names)| names.iter().any(|name| name.starts_with(long)));
    }
    let short = match word.strip_prefix('-') {
        Some(short) => short,
        None if first && !word.contains('=') => word,
        None => return false,
    };
    let mut options = short.chars().take_while(|option| !WITH_ARGUMENT.contains(*option));
    options.any(|option| UNTESTED.iter().any(|(short, _)| *short == option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variable: &str, text: &str) -> Option<Unwanted> {
        let env: Env = [(variable, text)].into_iter().collect();
        unwanted(&env, |name| name == "VERSION")
    }

    #[test]
    fn options_that_leave_a_target_untested_are_found_in_every_spelling() {
        for text in [
            "n",
            "-n",
            "kn",
            "-k -n",
            "--dry-run",
            "--just",
            "--recon",
            "-ki",
            "--ignore-errors",
            "-sqk",
            "-t",
            "--touch -j4",
            "-v",
            "--version",
            "-j 4 -i",
        ] {
            assert!(matches!(found("MAKEFLAGS", text), Some(Unwanted::Untested { .. })), "{text}");
            assert!(found("GNUMAKEFLAGS", text).is_some(), "{text}");
        }
    }

    #[test]
    fn other_options_and_variables_are_fine() {
        for text in [
            "",
            "-j4",
            "-j",
            "--jobs=4",
            "j4",
            "k",
            "-Otarget",
            "--output-sync=line",
            "-Iinclude",
            "-s",
            "--no-print-directory",
            "--warn-undefined-variables -- GIVEN=n",
            "-rR --trace",
            "-l2.5",
            "A=-n B=--dry-run",
            "n -j4 --jobserver-auth=3,4",
        ] {
            assert_eq!(found("MAKEFLAGS", text), None, "{text}");
        }
    }

    #[test]
    fn a_variable_of_the_gate_is_found_wherever_it_is_assigned() {
        for text in ["VERSION=1", "-j4 VERSION=1", "-- VERSION=1", "A=1 VERSION:=1", "VERSION+=x", "VERSION="]
        {
            assert!(matches!(found("MAKEFLAGS", text), Some(Unwanted::Assigned { .. })), "{text}");
        }
        assert_eq!(found("MAKEFLAGS", "-- VERSIONS=1 -VERSION=1"), None);
    }
}
