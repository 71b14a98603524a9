//! What can be wrong with the values of an environment.

use super::key::{Key, join};
use super::value::Origin;
use sys::error::{Exit, Help};

/// Every one is a mistake in the configuration: nothing has been changed yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The `environments` input or `.p2p.yaml` cannot be read.
    #[error("{place}, line {line}: {problem}")]
    Text {
        /// `input environments`, `.p2p.yaml`.
        place: &'static str,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the text.
        problem: String,
        /// What would be right.
        expected: String,
    },
    /// The `vars` input or one of its matrices cannot be read.
    #[error("{place}: {problem}")]
    Vars {
        /// `input vars`, `vars.FAST_FEEDBACK`.
        place: String,
        /// What is wrong.
        problem: String,
        /// What would be right.
        expected: &'static str,
    },
    /// An environment lacks a value that is needed.
    #[error("{}", missing(environment.as_deref(), *key, lacking))]
    Missing {
        /// The environment's name, where it has one.
        environment: Option<String>,
        /// Whether it is the job's own.
        own: bool,
        /// What was asked for.
        key: Key,
        /// What has to be said: the key itself, or those that it would be derived from.
        lacking: Vec<Key>,
    },
    /// A value that cannot be one of its kind.
    #[error("{key} {text:?} ({origin}) {problem}")]
    Malformed {
        /// Which value.
        key: Key,
        /// Its text.
        text: String,
        /// Where it came from.
        origin: Origin,
        /// Which rule it breaks: `is no DNS label`.
        problem: String,
    },
    /// A derived namespace that Kubernetes would refuse.
    #[error(
        "the namespace {namespace:?}{} has {} characters, Kubernetes allows 63",
        made_of(tenant, app.as_deref()),
        namespace.len()
    )]
    Namespace {
        /// The namespace.
        namespace: String,
        /// Which one it is.
        key: Key,
        /// The tenant that it was made from.
        tenant: String,
        /// The app that it was made from.
        app: Option<String>,
    },
    /// A line of `env-vars` that is refused. Never holds anything of the line.
    #[error("input env-vars, line {line}: {problem}")]
    EnvVars {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A line of `env-vars` that names a variable which is there already.
    #[error("input env-vars, line {line}: it names {what}")]
    EnvVarsName {
        /// Counted from 1.
        line: usize,
        /// Which variable. A name is told only where it is one of ours, which are no secret.
        what: String,
    },
}

fn missing(environment: Option<&str>, key: Key, lacking: &[Key]) -> String {
    let whose = environment.map_or_else(String::new, |name| format!(" of environment {name}"));
    if lacking == [key] {
        format!("the {key}{whose} is not known")
    } else {
        format!("the {key}{whose} is not known: it needs {}", join(lacking))
    }
}

fn made_of(tenant: &str, app: Option<&str>) -> String {
    match app {
        Some(app) => format!(" (tenant {tenant}, app {app})"),
        None => format!(" (tenant {tenant})"),
    }
}

impl Help for EnvironmentError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Text { expected, .. } => expected.clone(),
            Self::Vars { expected, .. } => (*expected).to_owned(),
            Self::Missing { environment, own, key, lacking } => {
                help_for_missing(environment.as_deref(), *own, *key, lacking)
            }
            Self::Malformed { origin: Origin::Makefile(name), key, .. } => {
                format!("correct {name} in the Makefile, or give the input {key}")
            }
            Self::Malformed { origin, text, .. } => {
                let place = match origin {
                    Origin::Input(name) => format!("the input {name}"),
                    origin => origin.to_string(),
                };
                if text.trim().is_empty() {
                    format!("{place} holds nothing but white space: give it a value, or leave it out")
                } else {
                    format!("correct {place}")
                }
            }
            Self::Namespace { key, .. } => {
                let own = if *key == Key::BaseNamespace {
                    String::new()
                } else {
                    format!(", or the key {key} of the environment")
                };
                format!("shorten the tenant's or the app's name, or give the input base-namespace{own}")
            }
            Self::EnvVarsName { .. } => "remove the line, or give the variable another name".to_owned(),
            Self::EnvVars { .. } => "write one `KEY=VALUE` a line, or `KEY<<DELIM`, the lines of the value \
                and a line `DELIM`; the line is not shown because it may be secret"
                .to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn help_for_missing(environment: Option<&str>, own: bool, key: Key, lacking: &[Key]) -> String {
    let inputs = match (key.is_input(), lacking == [key]) {
        (true, true) => format!("the input {key}"),
        (true, false) => format!("the input {key}, or {}", join(lacking)),
        (false, true) => format!("the environment's key {key}"),
        (false, false) => format!("{}, or the environment's key {key}", join(lacking)),
    };
    if lacking.iter().all(|key| key.shared()) {
        return format!("give {inputs}; the Makefile may say them as P2P_TENANT_NAME and P2P_APP_NAME");
    }
    let mut yaml = format!("environments:\n  {}:", environment.unwrap_or("NAME"));
    for key in lacking.iter().filter(|key| !key.shared()) {
        yaml.push_str("\n    ");
        yaml.push_str(key.name());
        yaml.push_str(": …");
    }
    if own {
        format!("give {inputs}; or say it in .p2p.yaml:\n{yaml}")
    } else {
        format!(
            "say it in .p2p.yaml; what the job's own environment has is never taken for another one:\n{yaml}"
        )
    }
}
