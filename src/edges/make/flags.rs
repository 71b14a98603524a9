//! Options of make in the environment: the variables `MAKEFLAGS` and `GNUMAKEFLAGS`.

use sys::world::Env;

/// The variables with options for make.
const VARIABLES: [&str; 2] = ["MAKEFLAGS", "GNUMAKEFLAGS"];

/// Short options that change neither which recipes run nor whether a failure counts.
const SHORT: &str = "BdIjklLOrRsSw";

/// Short options whose argument may follow in the same word, such as `-j4`.
const WITH_ARGUMENT: &str = "IjlO";

/// The long forms, and long options without a short form.
const LONG: &str = "always-make check-symlink-times debug include-dir jobs jobserver-style \
    keep-going load-average max-load no-builtin-rules no-builtin-variables no-keep-going \
    no-print-directory no-silent output-sync print-directory quiet shuffle silent stop trace \
    warn-undefined-variables";

/// Variables of make that decide how recipes run.
const RUNNING: [&str; 6] = [".SHELLFLAGS", "GNUMAKEFLAGS", "MAKE", "MAKEFILES", "MAKEFLAGS", "SHELL"];

/// An option or variable in the environment that must not be set for targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// An option or variable that could let a target pass without running.
    Untested {
        /// The variable that contains it.
        variable: &'static str,
        /// The word that contains it.
        word: String,
    },
    /// A variable of make that would override the environment.
    Assigned {
        /// The variable that contains it.
        variable: &'static str,
        name: String,
    },
}

/// The first unwanted word in the options of make in `env`. `ours` is whether the gate sets a variable.
pub fn unwanted(env: &Env, ours: impl Fn(&str) -> bool) -> Option<Unwanted> {
    VARIABLES.into_iter().find_map(|variable| {
        // Targets do not get the options of a make that started p2p.
        let text = env.get(variable).filter(|text| !text.contains("--jobserver"))?;
        let mut options = true;
        text.split_ascii_whitespace().enumerate().find_map(|(position, word)| {
            options &= word != "--";
            let untested = || Some(Unwanted::Untested { variable, word: word.to_owned() });
            if options && !is_harmless(word, position == 0) {
                return untested();
            }
            let name = word.split_once('=')?.0.trim_end_matches([':', '+', '?', '!']);
            if word.starts_with('-') {
                return None;
            }
            if RUNNING.contains(&name) {
                return untested();
            }
            ours(name).then(|| Unwanted::Assigned { variable, name: name.to_owned() })
        })
    })
}

/// Whether a word contains only harmless options, written in full. The first word may contain short options without
/// a dash.
fn is_harmless(word: &str, first: bool) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split('=').next();
        return LONG.split(' ').any(|known| name == Some(known));
    }
    let short = match word.strip_prefix('-') {
        Some(short) => short,
        None if first && !word.contains('=') => word,
        None => return true,
    };
    let argument = short.find(|option| WITH_ARGUMENT.contains(option)).map_or(short.len(), |at| at + 1);
    short[..argument].chars().all(|option| SHORT.contains(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variable: &str, text: &str) -> Option<Unwanted> {
        let env: Env = [(variable, text)].into_iter().collect();
        unwanted(&env, |name| name == "VERSION")
    }

    #[test]
    fn options_that_may_leave_a_target_untested_are_found_in_every_spelling() {
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
            "--eval=.IGNORE:",
            "--ev=SHELL=/bin/true",
            "-E .IGNORE:",
            "-ESHELL=/bin/true",
            "-kE.IGNORE:",
            "-f other.mk",
            "-C elsewhere",
            "--file=other.mk",
            "--directory=elsewhere",
            "-o p2p-build",
            "--old-file=all",
            "-p",
            "-e",
            "--help",
            "ü",
            "SHELL=/bin/true",
            "-- SHELL:=/bin/true",
            "-j4 .SHELLFLAGS=-n",
            "A=1 MAKEFLAGS=-n",
            "MAKE=true",
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
            "MYSHELL=/bin/true",
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
