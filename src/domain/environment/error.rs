//! Errors in the values of an environment.

use super::key::{Key, join};
use super::value::Origin;
use sys::error::{Exit, Help};

/// Each is a mistake in the configuration. Nothing has changed yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The `environments` input or `.p2p.yaml` cannot be read.
    #[error("{place}, line {line}: {problem}")]
    Text {
        /// `input environments` or `.p2p.yaml`.
        place: &'static str,
        /// The line, starting at 1.
        line: usize,
        /// What is wrong. Does not quote the text.
        problem: String,
        /// What was expected.
        expected: String,
    },
    /// The `vars` input or one of its matrices cannot be read.
    #[error("{place}: {problem}")]
    Vars {
        /// `input vars`, `vars.FAST_FEEDBACK`.
        place: String,
        /// What is wrong.
        problem: String,
        /// What was expected.
        expected: &'static str,
    },
    /// An environment lacks a value that is needed.
    #[error("{}", missing(environment.as_deref(), *key, lacking))]
    Missing {
        /// The environment's name, if it has one.
        environment: Option<String>,
        /// Whether it is the job's own environment.
        own: bool,
        /// The key that was requested.
        key: Key,
        /// The keys to set: the key itself, or those that it is derived from.
        lacking: Vec<Key>,
    },
    /// A value with an invalid form.
    #[error("{key} {text:?} ({origin}) {problem}")]
    Malformed {
        key: Key,
        /// Its text.
        text: String,
        /// Where it came from.
        origin: Origin,
        /// The rule that it breaks: `is no DNS label`.
        problem: String,
    },
    /// A derived namespace that Kubernetes would refuse.
    #[error(
        "the namespace {namespace:?}{} has {} characters, Kubernetes allows 63",
        made_of(tenant, app.as_deref()),
        namespace.len()
    )]
    Namespace {
        namespace: String,
        /// The key of the namespace.
        key: Key,
        /// The tenant that it was made from.
        tenant: String,
        /// The app that it was made from.
        app: Option<String>,
    },
    /// An invalid line of `env-vars`. The error contains nothing of the line.
    #[error("input env-vars, line {line}: {problem}")]
    EnvVars {
        /// The line, starting at 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A line of `env-vars` with a name that is used already.
    #[error("input env-vars, line {line}: it names {what}")]
    EnvVarsName {
        /// The line, starting at 1.
        line: usize,
        /// The variable. It is named only if it is one of p2p's own, which are not secret.
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
            Self::EnvVars { .. } => {
                "write one `KEY=VALUE` per line, or `KEY<<DELIM`, the lines of the value \
                and a line `DELIM`; the line is not shown because it may be secret"
                    .to_owned()
            }
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
        return format!("give {inputs}; the Makefile may set them as P2P_TENANT_NAME and P2P_APP_NAME");
    }
    let mut yaml = format!("environments:\n  {}:", environment.unwrap_or("NAME"));
    for key in lacking.iter().filter(|key| !key.shared()) {
        yaml.push_str("\n    ");
        yaml.push_str(key.name());
        yaml.push_str(": …");
    }
    if own {
        format!("give {inputs}; or set it in .p2p.yaml:\n{yaml}")
    } else {
        format!(
            "set it in .p2p.yaml; values of the job's own environment are never used for another one:\n{yaml}"
        )
    }
}
