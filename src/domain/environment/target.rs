//! The variables of one target that are known before it starts.

use super::env_vars::EnvVars;
use super::key::Key;
use super::resolve::Values;
use super::stage::Stage;
use super::value::{Origin, StagePaths, Value};
use super::variables::{ComesFrom, TABLE, Variable, Variables};
use workflow_commands::Secret;

/// What the variables of a target depend on.
#[derive(Debug, Clone, Copy)]
pub struct TargetEnvironment<'a> {
    /// The environment of the target. For a promotion, the destination.
    pub values: &'a Values,
    /// The source of a promotion. `None` for other targets.
    pub source: Option<&'a Values>,
    /// The registry paths of the stages.
    pub paths: &'a StagePaths,
    pub version: Option<&'a Value>,
    /// The input `github-token`.
    pub github_token: Option<&'a Secret>,
    /// The input `env-vars`.
    pub env_vars: &'a EnvVars,
}

/// All variables of [`TABLE`] with a known, non-empty value, and those of `env-vars`. The code that starts the
/// target adds the others ([`ComesFrom::Run`], [`ComesFrom::Credentials`]).
pub fn target_variables(target: &TargetEnvironment) -> Variables {
    let mut variables = Variables::default();
    for entry in TABLE {
        match variable(entry.from, target).filter(|variable| !variable.expose().is_empty()) {
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

fn variable(from: ComesFrom, target: &TargetEnvironment) -> Option<Variable> {
    let shown = |value: &Value| Variable::plain(&value.text, value.origin.clone());
    let values = target.values;
    match from {
        ComesFrom::Value(key) => values.get(key).map(shown),
        ComesFrom::Environment => {
            values.environment.as_ref().or_else(|| values.get(Key::Dplatform)).map(shown)
        }
        ComesFrom::Version => target.version.map(shown),
        ComesFrom::Path(stage) => Some(shown(target.paths.of(stage))),
        ComesFrom::PathInRegistry(stage) => in_registry(stage, target),
        ComesFrom::GithubToken => target
            .github_token
            .map(|token| Variable::secret(token.clone(), Origin::Input("github-token".to_owned()))),
        ComesFrom::Source(key) => target.source?.get(key).map(shown),
        ComesFrom::SourceEnvironment => target.source?.environment.as_ref().map(shown),
        ComesFrom::DestinationEnvironment => {
            target.source?;
            values.environment.as_ref().map(shown)
        }
        ComesFrom::Credentials | ComesFrom::Run => None,
    }
}

fn in_registry(stage: Stage, target: &TargetEnvironment) -> Option<Variable> {
    let registry = target.values.get(Key::Registry)?;
    let text = format!("{}/{}", registry.text, target.paths.of(stage).text);
    Some(Variable::plain(text, registry.origin.clone()))
}

/// Whether a variable inherited from the job would be wrong, because it describes the job's environment and the
/// target runs in another one.
fn speaks_of_another(from: ComesFrom, target: &TargetEnvironment) -> bool {
    match from {
        ComesFrom::Value(key) => !target.values.own && !key.shared(),
        ComesFrom::Environment | ComesFrom::PathInRegistry(_) | ComesFrom::Credentials => !target.values.own,
        ComesFrom::Source(_) | ComesFrom::SourceEnvironment | ComesFrom::DestinationEnvironment => {
            target.source.is_some()
        }
        ComesFrom::Version | ComesFrom::Path(_) | ComesFrom::GithubToken | ComesFrom::Run => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::domain::environment::{Environments, Given, Sources, Vars};

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

    #[test]
    fn a_target_has_the_table_of_the_contract() {
        let own = sources().own().unwrap();
        let env_vars = EnvVars::parse(&Secret::new("DB_PASSWORD=s3cret")).unwrap();
        let variables = target_variables(&TargetEnvironment {
            values: &own,
            source: None,
            paths: &StagePaths::default(),
            version: Some(&Value::new("1.2.4", Origin::Run("next patch after v1.2.3".to_owned()))),
            github_token: Some(&Secret::new("ghs_s3cret")),
            env_vars: &env_vars,
        });
        insta::assert_snapshot!(variables, @r#"
        BASE_DOMAIN                      dev.acme.io  (vars.BASE_DOMAIN)
        CLOUDSDK_CORE_PROJECT            acme-dev  (vars.PROJECT_ID)
        CLOUDSDK_PROJECT                 acme-dev  (vars.PROJECT_ID)
        DB_PASSWORD                      ***  (input env-vars)
        DPLATFORM                        dev-cluster  (vars.DPLATFORM)
        EXTENDED_TEST_PATH               extended-test  (default)
        FAST_FEEDBACK_PATH               test  (default)
        GCLOUD_PROJECT                   acme-dev  (vars.PROJECT_ID)
        GCP_PROJECT                      acme-dev  (vars.PROJECT_ID)
        GITHUB_TOKEN                     ***  (input github-token)
        GOOGLE_CLOUD_PROJECT             acme-dev  (vars.PROJECT_ID)
        INTERNAL_SERVICES_DOMAIN         internal.acme.io  (vars.INTERNAL_SERVICES_DOMAIN)
        P2P_APP_NAME                     basket  (Makefile P2P_APP_NAME)
        P2P_NAMESPACE_EXTENDED           shop-basket-extended  (derived from base-namespace)
        P2P_NAMESPACE_FUNCTIONAL         shop-basket-functional  (derived from base-namespace)
        P2P_NAMESPACE_INTEGRATION        shop-basket-integration  (derived from base-namespace)
        P2P_NAMESPACE_NFT                shop-basket-nft  (derived from base-namespace)
        P2P_NAMESPACE_PROD               shop-basket-prod  (derived from base-namespace)
        P2P_REGISTRY                     europe-west2-docker.pkg.dev/acme-dev/tenant/shop  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_EXTENDED_TEST       europe-west2-docker.pkg.dev/acme-dev/tenant/shop/extended-test  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_EXTENDED_TEST_PATH  extended-test  (default)
        P2P_REGISTRY_FAST_FEEDBACK       europe-west2-docker.pkg.dev/acme-dev/tenant/shop/test  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_FAST_FEEDBACK_PATH  test  (default)
        P2P_REGISTRY_PROD                europe-west2-docker.pkg.dev/acme-dev/tenant/shop/prod  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_PROD_PATH           prod  (default)
        P2P_TENANT_NAME                  shop  (input tenant-name)
        P2P_VERSION                      1.2.4  (next patch after v1.2.3)
        PLATFORM_ENVIRONMENT             gcp-dev  (input environment)
        PROD_PATH                        prod  (default)
        PROJECT_ID                       acme-dev  (vars.PROJECT_ID)
        PROJECT_NUMBER                   123  (vars.PROJECT_NUMBER)
        REGION                           europe-west2  (vars.REGION)
        REGISTRY                         europe-west2-docker.pkg.dev/acme-dev/tenant/shop  (derived from region, project-id and tenant-name)
        SERVICE_ACCOUNT                  p2p-shop@acme-dev.iam.gserviceaccount.com  (derived from tenant-name and project-id)
        TENANT_NAME                      shop  (input tenant-name)
        VERSION                          1.2.4  (next patch after v1.2.3)
        WORKLOAD_IDENTITY_PROVIDER       projects/123/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-shop  (derived from project-number and tenant-name)
        "#);
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
        let destination = sources.of(&name).unwrap();
        let variables = target_variables(&TargetEnvironment {
            values: &destination,
            source: Some(&sources.own().unwrap()),
            paths: &StagePaths::default(),
            version: None,
            github_token: None,
            env_vars: &EnvVars::default(),
        });
        insta::assert_snapshot!(variables, @r#"
        CLOUDSDK_CORE_PROJECT              acme-prod  (environments[gcp-prod].project-id)
        CLOUDSDK_PROJECT                   acme-prod  (environments[gcp-prod].project-id)
        DEST_GITHUB_ENV                    gcp-prod  (input dest-environment)
        EXTENDED_TEST_PATH                 extended-test  (default)
        FAST_FEEDBACK_PATH                 test  (default)
        GCLOUD_PROJECT                     acme-prod  (environments[gcp-prod].project-id)
        GCP_PROJECT                        acme-prod  (environments[gcp-prod].project-id)
        GOOGLE_CLOUD_PROJECT               acme-prod  (environments[gcp-prod].project-id)
        P2P_APP_NAME                       basket  (Makefile P2P_APP_NAME)
        P2P_NAMESPACE_EXTENDED             shop-basket-extended  (derived from base-namespace)
        P2P_NAMESPACE_FUNCTIONAL           shop-basket-functional  (derived from base-namespace)
        P2P_NAMESPACE_INTEGRATION          shop-basket-integration  (derived from base-namespace)
        P2P_NAMESPACE_NFT                  shop-basket-nft  (derived from base-namespace)
        P2P_NAMESPACE_PROD                 shop-basket-prod  (derived from base-namespace)
        P2P_REGISTRY                       europe-west1-docker.pkg.dev/acme-prod/tenant/shop  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_EXTENDED_TEST         europe-west1-docker.pkg.dev/acme-prod/tenant/shop/extended-test  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_EXTENDED_TEST_PATH    extended-test  (default)
        P2P_REGISTRY_FAST_FEEDBACK         europe-west1-docker.pkg.dev/acme-prod/tenant/shop/test  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_FAST_FEEDBACK_PATH    test  (default)
        P2P_REGISTRY_PROD                  europe-west1-docker.pkg.dev/acme-prod/tenant/shop/prod  (derived from region, project-id and tenant-name)
        P2P_REGISTRY_PROD_PATH             prod  (default)
        P2P_TENANT_NAME                    shop  (input tenant-name)
        PLATFORM_ENVIRONMENT               gcp-prod  (input dest-environment)
        PROD_PATH                          prod  (default)
        PROJECT_ID                         acme-prod  (environments[gcp-prod].project-id)
        REGION                             europe-west1  (environments[gcp-prod].region)
        REGISTRY                           europe-west1-docker.pkg.dev/acme-prod/tenant/shop  (derived from region, project-id and tenant-name)
        SERVICE_ACCOUNT                    deploy@acme-prod  (environments[gcp-prod].service-account)
        SOURCE_GITHUB_ENV                  gcp-dev  (input environment)
        SOURCE_PROJECT_ID                  acme-dev  (vars.PROJECT_ID)
        SOURCE_REGISTRY                    europe-west2-docker.pkg.dev/acme-dev/tenant/shop  (derived from region, project-id and tenant-name)
        SOURCE_SERVICE_ACCOUNT             p2p-shop@acme-dev.iam.gserviceaccount.com  (derived from tenant-name and project-id)
        SOURCE_WORKLOAD_IDENTITY_PROVIDER  projects/123/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-shop  (derived from project-number and tenant-name)
        TENANT_NAME                        shop  (input tenant-name)
        not inherited: BASE_DOMAIN, CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE, DPLATFORM, GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_GHA_CREDS_PATH, INTERNAL_SERVICES_DOMAIN, PROJECT_NUMBER, WORKLOAD_IDENTITY_PROVIDER
        "#);
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let nothing = Sources::default().own().unwrap();
        let variables = target_variables(&TargetEnvironment {
            values: &nothing,
            source: None,
            paths: &StagePaths::default(),
            // For a later gate that still searches for its version.
            version: Some(&Value::new("", Origin::Default)),
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
