//! Asking make, once, what the Makefile defines.
//!
//! make reads the Makefile and then a file of ours, which names a goal of its own and switches
//! `-p` on from within. So the Makefile sees the flags of an ordinary run, no catch-all can take
//! the goal, and no recipe runs but those of rules that remake an include, as in every run.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::answer::Answer;
use super::assigned::assignments;
use super::broken::broken;
use super::command::make;
use super::database::Database;
use super::error::MakeError;
use super::files;
use super::makefile::{Makefile, Resolver};
use sys::process::capture_any;
use sys::world::Env;

/// What to find out.
#[derive(Debug, Clone, Copy)]
pub struct ProbeRequest<'a> {
    /// Where make runs; absolute.
    pub directory: &'a Path,
    /// The environment of make: what its targets will get, as the Makefile may depend on it.
    /// `LC_ALL` and `PWD` are set for this one run.
    pub env: &'a Env,
    /// A directory outside the workspace for a temporary file.
    pub scratch: &'a Path,
    /// The targets to find out about, besides all whose name begins with `p2p-`.
    pub targets: &'a [&'a str],
    /// The variables to expand.
    pub variables: &'a [&'a str],
    /// The variables that targets are given: where the Makefile assigns them is found out.
    pub given: &'a [&'a str],
    /// When to give up.
    pub limit: Duration,
}

/// Reads the Makefile of a directory through make, once. Runs no recipe, except where a rule
/// remakes a file that the Makefile includes; `$(shell …)` is evaluated, as in every run of make.
///
/// # Errors
/// When there is no make or no Makefile, when make cannot read it, or at the time limit.
pub async fn probe(request: ProbeRequest<'_>) -> Result<Makefile, MakeError> {
    let main = files::main(request.directory)?;
    let words = Words::new()?;
    let file = files::ours(request.scratch, &words.text(request.variables))?;
    let mut env = request.env.clone();
    env.set("LC_ALL", "C");
    let arguments = [
        OsStr::new("-f"),
        OsStr::new(main),
        OsStr::new("-f"),
        file.path().as_os_str(),
        OsStr::new(&words.goal),
    ];
    // Our goal and our file would mean nothing to a reader.
    let command = make(&format!("make -p -f {main}"), request.directory, &env, &arguments);
    let captured = capture_any(&command, request.limit).await?;

    let answer = Answer::parse(&captured.stdout, &words.marker);
    let read = answer.as_ref().filter(|answer| answer.complete);
    let unmade = memchr::memmem::find(captured.stderr.as_bytes(), b"*** No rule to make target").is_some();
    let forgiven = || unmade && read.is_some_and(|answer| has_catch_all(request.directory, &answer.files));
    if !captured.succeeded() && !forgiven() {
        let error = broken(&captured.stderr);
        return Err(match answer.and_then(|answer| answer.expanding) {
            Some(name) => error.of_variable(name),
            None => error,
        });
    }
    let Some(answer) = answer.filter(|answer| answer.complete) else {
        return Err(MakeError::NotUnderstood { detail: "it did not read our probe".to_owned() });
    };
    let Some(database) = Database::parse(answer.rest) else {
        return Err(MakeError::NotUnderstood { detail: "`-p` printed none".to_owned() });
    };
    let assignments = assignments(&database.variables, request.given, request.directory, request.env);
    let resolver = Resolver { database: &database, directory: request.directory };
    Ok(Makefile {
        targets: resolver.targets(request.targets, &words.goal),
        files: answer.files,
        variables: answer.variables,
        assignments,
    })
}

/// The names of this one run, which nothing in a Makefile can guess.
struct Words {
    marker: String,
    /// Begins with `p2p-`, for Makefiles that look at `MAKECMDGOALS`.
    goal: String,
}

impl Words {
    fn new() -> std::io::Result<Self> {
        let marker = files::marker()?;
        let goal = format!("p2p-{marker}");
        Ok(Self { marker, goal })
    }

    /// Line by line: recipes of the database begin with a tab again; a match-anything rule and
    /// `.DEFAULT` are taken back, as make would run them for each missing `-include`; `-p` and `-r`
    /// take effect after all is read (and flags that the Makefile added, like `-B`, do not).
    /// A value that calls `error` would end make here, so the probe prints it unexpanded.
    fn text(&self, variables: &[&str]) -> String {
        let Self { marker, goal } = self;
        let mut text = format!(
            ".RECIPEPREFIX :=\n.DEFAULT:\n%:\n.PHONY: {goal}\n{goal}: ;\n\
             {marker}-a := $$(error\n{marker}-b := $${{error\n\
             $(info {marker} files $(MAKEFILE_LIST))\n"
        );
        for name in variables {
            let value = format!("$(value {name})");
            let _ = writeln!(
                text,
                "$(info {marker} variable {name} $(origin {name}))\
                 $(if $(filter undefined,$(origin {name})),,\
                 $(if $(findstring $({marker}-a),{value})$(findstring $({marker}-b),{value}),\
                 $(info {marker} unset),$(info $({name}))))"
            );
        }
        let _ = writeln!(text, "override MAKEFLAGS := -pr\n$(info {marker} end)");
        text
    }
}

/// Whether a file that make read has a match-anything rule or `.DEFAULT`. With one, make takes a
/// missing include for made and goes on; we took the rule back, so it stopped, but knows it all.
fn has_catch_all(directory: &Path, files: &[PathBuf]) -> bool {
    files.iter().filter_map(|file| std::fs::read(directory.join(file)).ok()).any(|text| {
        text.split(|byte| *byte == b'\n').any(|line| {
            let line = line.trim_ascii_start();
            let rest = line.strip_prefix(b"%").or_else(|| line.strip_prefix(b".DEFAULT"));
            rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
        })
    })
}
