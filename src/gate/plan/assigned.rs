//! Makefiles that set a variable that p2p also sets.

use super::Place;
use super::build::Known;
use crate::domain::environment::{
    ComesFrom, Origin, TABLE, TargetEnvironment, Value, Variable, Variables, target_variables,
};
use crate::edges::make::{Assignment, Hold, Makefile};

/// The variables that p2p passes on make's command line, because there they override the Makefile, and warnings
/// about every variable that the Makefile sets.
pub(super) fn assigned(known: &Known<'_>) -> (Vec<String>, Vec<String>) {
    let assignments = known.makefile.map(Makefile::assignments).unwrap_or_default();
    let version = Value::new(&known.version.version, Origin::Run(known.version.because.clone()));
    let variables = target_variables(&TargetEnvironment {
        values: known.values,
        source: None,
        paths: known.paths,
        version: Some(&version),
        github_token: known.inputs.github_token.as_ref(),
        env_vars: known.env_vars,
    });
    let (mut settled, mut warnings) = (Vec::new(), Vec::new());
    for assignment in assignments.iter().filter(|assignment| differs(assignment, &variables, known.place)) {
        let Assignment { name, place, .. } = assignment;
        // A value on the command line applies to all assignments of a variable.
        let held = assignments
            .iter()
            .filter(|other| other.name == *name)
            .find_map(|other| why_not(other, &variables));
        let text = match held {
            None => {
                settled.push(name.clone());
                format!(
                    "targets get the value of p2p, on make's command line. Write `{name} ?= …` to set it only \
                     where p2p does not run"
                )
            }
            Some((why, remedy)) => format!("targets get the value of the Makefile, because {why}. {remedy}"),
        };
        warnings.push(format!("{place} sets `{name}`, which p2p sets as well: {text}"));
    }
    (settled, warnings)
}

/// Whether the Makefile's value differs from the value of p2p.
fn differs(assignment: &Assignment, variables: &Variables, place: Place) -> bool {
    match variables.get(&assignment.name) {
        // p2p has taken this value from the Makefile.
        Some(variable) if matches!(variable.origin, Origin::Makefile(_)) => false,
        Some(variable) => variable.expose() != assignment.value,
        // p2p sets these when a target starts: credentials only on GitHub, the other files everywhere.
        None => TABLE.iter().filter(|entry| entry.name == assignment.name).any(|entry| match entry.from {
            ComesFrom::Run => true,
            ComesFrom::Credentials => place == Place::Github,
            _ => false,
        }),
    }
}

/// Why the value of p2p cannot override an assignment, and what to do about it.
fn why_not(assignment: &Assignment, variables: &Variables) -> Option<(&'static str, String)> {
    let name = &assignment.name;
    let other = format!("Give what the Makefile makes there another name than `{name}`");
    match (assignment.hold, variables.get(name)) {
        (Hold::Override, _) => Some(("it says `override`", format!("Write `{name} ?= …` to let p2p set it"))),
        (Hold::Derived, _) => Some(("it makes it of the value of p2p", other)),
        (Hold::Single, _) => Some(("it is for single targets", other)),
        (Hold::None, None) => Some((
            "the Makefile may keep files of its own there",
            format!("Write `{name} ?= …` to let p2p set it"),
        )),
        (Hold::None, Some(variable)) => Variable::is_secret(variable).then(|| {
            ("a secret is never an argument of a program", format!("Write `{name} ?= …` to let p2p set it"))
        }),
    }
}
