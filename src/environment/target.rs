//! The variables of one target, as far as they are known before it starts.

use super::env_vars::EnvVars;
use super::resolve::Values;
use super::value::{Origin, Paths, Stage, Value};
use super::variables::{From, TABLE, Variable, Variables};
use super::Key;
use crate::secret::Secret;

/// What the variables of a target are made of.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The environment that it runs in; for a promotion, the destination.
    pub values: &'a Values,
    /// Only for a promotion: where the image comes from.
    pub source: Option<&'a Values>,
    /// The registry paths of the stages.
    pub paths: &'a Paths,
    /// The version, where there is one.
    pub version: Option<&'a Value>,
    /// The `github-token` input.
    pub github_token: Option<&'a Secret>,
    /// The `env-vars` input.
    pub env_vars: &'a EnvVars,
}

/// Every variable of [`TABLE`] whose value is known, and those of `env-vars`. The ones that are
/// made when the target starts ([`From::Run`]) are added by whoever starts it.
pub fn target_variables(target: &Target) -> Variables {
    let mut variables = Variables::default();
    for entry in TABLE {
        match variable(entry.from, target) {
            Some(variable) => variables.insert(entry.name, variable),
            None if speaks_of_another(entry.from, target) => {
                variables.unset.insert(entry.name);
            }
            None => {}
        }
    }
    for (name, secret) in target.env_vars.iter() {
        variables.insert(name, Variable::secret(secret.clone(), Origin::EnvVars));
    }
    variables
}

fn variable(from: From, target: &Target) -> Option<Variable> {
    let shown = |value: &Value| Variable::plain(&value.text, value.origin.clone());
    let values = target.values;
    match from {
        From::Value(key) => values.get(key).map(shown),
        From::Environment => values.environment.as_ref().or_else(|| values.get(Key::Dplatform)).map(shown),
        From::Version => target.version.map(shown),
        From::Path(stage) => Some(shown(target.paths.of(stage))),
        From::PathInRegistry(stage) => in_registry(stage, target),
        From::GithubToken => target
            .github_token
            .map(|token| Variable::secret(token.clone(), Origin::Input("github-token".to_owned()))),
        From::Source(key) => target.source?.get(key).map(shown),
        From::SourceEnvironment => target.source?.environment.as_ref().map(shown),
        From::DestinationEnvironment => {
            target.source?;
            values.environment.as_ref().map(shown)
        }
        From::Run => None,
    }
}

fn in_registry(stage: Stage, target: &Target) -> Option<Variable> {
    let registry = target.values.get(Key::Registry)?;
    let text = format!("{}/{}", registry.text, target.paths.of(stage).text);
    Some(Variable::plain(text, registry.origin.clone()))
}

/// Whether the job's own variable of that name would be wrong here: it speaks of the job's
/// environment, and the target runs in another one.
fn speaks_of_another(from: From, target: &Target) -> bool {
    match from {
        From::Value(_) | From::Environment | From::PathInRegistry(_) => !target.values.own,
        From::Source(_) | From::SourceEnvironment | From::DestinationEnvironment => target.source.is_some(),
        From::Version | From::Path(_) | From::GithubToken | From::Run => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::environment::{Environments, Given, Sources, Vars};

    fn sources() -> Sources {
        let input = |text: &str, name: &str| Value::new(text, Origin::Input(name.to_owned()));
        Sources {
            environment: Some(input("gcp-dev", "environment")),
            inputs: Given::from([(Key::TenantName, input("shop", "tenant-name"))]),
            environments: Environments::parse(
                "gcp-prod: {project-id: acme-prod, region: europe-west1, service-account: deploy@acme-prod}",
            )
            .unwrap(),
            vars: Vars::parse(
                r#"{"PROJECT_ID": "acme-dev", "PROJECT_NUMBER": "123", "REGION": "europe-west2",
                    "DPLATFORM": "dev-cluster", "BASE_DOMAIN": "dev.acme.io",
                    "INTERNAL_SERVICES_DOMAIN": "internal.acme.io"}"#,
            )
            .unwrap(),
            makefile: Sources::makefile(None, Some("basket")),
        }
    }

    fn shown(variables: &Variables) -> String {
        let set = variables
            .set
            .iter()
            .map(|(name, variable)| format!("{name}={} ({})", variable.shown(), variable.origin));
        set.chain(variables.unset.iter().map(|name| format!("{name} is removed")))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_target_has_the_table_of_the_contract() {
        let own = sources().own().unwrap();
        let env_vars = EnvVars::parse(&Secret::new("DB_PASSWORD=s3cret")).unwrap();
        let variables = target_variables(&Target {
            values: &own,
            source: None,
            paths: &Paths::default(),
            version: Some(&Value::new("1.2.4", Origin::Run("next patch after v1.2.3".to_owned()))),
            github_token: Some(&Secret::new("ghs_s3cret")),
            env_vars: &env_vars,
        });
        insta::assert_snapshot!(shown(&variables), @"");
        assert_eq!(variables.get("DB_PASSWORD").unwrap().expose(), "s3cret");
        assert_eq!(variables.get("GITHUB_TOKEN").unwrap().expose(), "ghs_s3cret");

        let later = variables.with_version("1.2.5", &Origin::Run("another run took 1.2.4".to_owned()));
        for name in ["VERSION", "P2P_VERSION"] {
            assert_eq!(later.get(name).unwrap().expose(), "1.2.5");
        }
    }

    #[test]
    fn a_promotion_has_the_destination_s_values_and_the_source_s() {
        let sources = sources();
        let name = Value::new("gcp-prod", Origin::Input("dest-environment".to_owned()));
        let destination = sources.of(&name, &Given::new()).unwrap();
        let variables = target_variables(&Target {
            values: &destination,
            source: Some(&sources.own().unwrap()),
            paths: &Paths::default(),
            version: None,
            github_token: None,
            env_vars: &EnvVars::default(),
        });
        insta::assert_snapshot!(shown(&variables), @"");
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let nothing = Sources::default().own().unwrap();
        let variables = target_variables(&Target {
            values: &nothing,
            source: None,
            paths: &Paths::default(),
            version: None,
            github_token: None,
            env_vars: &EnvVars::default(),
        });
        let names: Vec<&str> = variables.set.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "EXTENDED_TEST_PATH",
                "FAST_FEEDBACK_PATH",
                "P2P_REGISTRY_EXTENDED_TEST_PATH",
                "P2P_REGISTRY_FAST_FEEDBACK_PATH",
                "P2P_REGISTRY_PROD_PATH",
                "PROD_PATH",
            ]
        );
        assert!(variables.unset.is_empty(), "in its own environment the job's variables are right");
    }
}
