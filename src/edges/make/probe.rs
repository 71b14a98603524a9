//! Asks make once what the Makefile defines.
//!
//! make reads the Makefile and then a file of p2p, which defines a goal of its own and turns on `-p` from inside. So
//! the Makefile sees the flags of a normal run, no catch-all rule can match the goal, and no recipe runs, except
//! those of rules that remake an include, as in every run.

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
    /// The absolute path of make's directory.
    pub directory: &'a Path,
    /// The environment for make. It is that of the targets, because the Makefile may depend on it. `LC_ALL` and
    /// `PWD` are set for this run only.
    pub env: &'a Env,
    /// A directory outside the workspace for a temporary file.
    pub scratch: &'a Path,
    /// The targets to find, in addition to all that begin with `p2p-`.
    pub targets: &'a [&'a str],
    /// The variables to expand.
    pub variables: &'a [&'a str],
    /// The variables that targets get. The probe finds where the Makefile assigns them.
    pub given: &'a [&'a str],
    pub limit: Duration,
}

/// Reads the Makefile of a directory through make, once. No recipe runs, unless a rule remakes a file that the
/// Makefile includes. `$(shell …)` is evaluated, as in every run of make.
///
/// # Errors
/// If there is no make or no Makefile, if make cannot read it, or at the time limit.
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
    // The message does not show p2p's own goal and file.
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

/// The random names of this run, which no Makefile can contain.
struct Words {
    marker: String,
    /// Begins with `p2p-`, for Makefiles that check `MAKECMDGOALS`.
    goal: String,
}

impl Words {
    fn new() -> std::io::Result<Self> {
        let marker = files::marker()?;
        let goal = format!("p2p-{marker}");
        Ok(Self { marker, goal })
    }

    /// Line by line: recipes of the database begin with a tab again. A match-anything rule and `.DEFAULT` are
    /// removed, because make would run them for each missing `-include`. `-p` and `-r` take effect after everything
    /// is read (flags that the Makefile added, like `-B`, do not). A value that calls `error` would stop make, so
    /// the probe prints it unexpanded.
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

/// Whether a file that make read has a match-anything rule or `.DEFAULT`. With such a rule, make considers a missing
/// include as made and goes on. The probe removes the rule, so make stops, but has read everything.
fn has_catch_all(directory: &Path, files: &[PathBuf]) -> bool {
    files.iter().filter_map(|file| std::fs::read(directory.join(file)).ok()).any(|text| {
        text.split(|byte| *byte == b'\n').any(|line| {
            let line = line.trim_ascii_start();
            let rest = line.strip_prefix(b"%").or_else(|| line.strip_prefix(b".DEFAULT"));
            rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
        })
    })
}
