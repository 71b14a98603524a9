//! What the user can do about each class of failure, ready to paste.

use super::ClusterName;
use super::claims::Claims;
use super::error::GoogleError;
use super::identity::Identity;
use crate::inputs::ClusterEndpoint;
use sys::error::{Exit, Help};
use sys::http::{AUTHORITY_HELP, Class, NETWORK_HELP};

/// The most bytes of a claim that Google accepts.
const LONGEST_CLAIM: usize = 127;

const GRANT: &str = "let the job ask for one:\n\
permissions:\n  contents: write\n  id-token: write\n\
the caller of a reusable workflow must grant it too; runs of Dependabot never get it";

const FORK: &str = "a pull request from a fork gets neither id token nor secrets, whatever the workflow says: push the \
branch to this repository to run the gate on it, or set `on-fork: skipped`";

const OUTAGE: &str = "see https://status.cloud.google.com and https://www.githubstatus.com; then run again";

impl Help for GoogleError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Endpoint { .. } => "write https:// in front of the host".to_owned(),
            Self::ClusterName { .. } => "correct project-id, region and cluster-name".to_owned(),
            Self::NoIdToken { fork: true, .. } => FORK.to_owned(),
            Self::NoIdToken { fork: false, .. } | Self::IdToken { status: 401 | 403, .. } => GRANT.to_owned(),
            Self::IdToken { .. } => "see https://www.githubstatus.com, and run again".to_owned(),
            Self::UnknownProvider { identity, claims, .. } => {
                unknown_provider(identity, claims.get("repository"))
            }
            Self::Rejected { identity, claims, .. } => format!(
                "let its condition accept these claims of the job, most often by listing the repository in the tenant:\n{claims}\nthe condition is shown by\n{}",
                describe(identity)
            ),
            Self::ClaimTooLong { identity, claims, .. } => claim_too_long(identity, claims),
            Self::ExchangeRefused { identity, claims, .. } => format!(
                "compare the claims of the job\n{claims}\nwith the provider's issuer, audiences and mapping, shown by\n{}",
                describe(identity)
            ),
            Self::NotImpersonable { identity, repository, .. } => {
                not_impersonable(identity, repository.as_deref())
            }
            Self::NoAccount { identity, .. } => format!(
                "check tenant-name and project-id, of which the name is made, and that the tenant is deployed there:\ngcloud iam service-accounts list --project {}",
                identity.account_project()
            ),
            Self::Lifetime { identity, .. } => format!(
                "an hour is refused when Google's clocks differ, which passes: run again. If it stays, an organisation policy limits the tokens of the account:\ngcloud org-policies list --project {}",
                identity.account_project()
            ),
            Self::Disabled { service, project, .. } => {
                format!("enable it:\ngcloud services enable {service}.googleapis.com --project {project}")
            }
            Self::ClusterForbidden { identity, name, .. } => format!(
                "let the account see clusters:\ngcloud projects add-iam-policy-binding {} \\\n  --member serviceAccount:{} \\\n  --role roles/container.clusterViewer",
                name.project,
                identity.service_account()
            ),
            Self::NoCluster { name, .. } => format!(
                "check project-id, region and cluster-name (or dplatform, its default):\ngcloud container clusters list --project {}",
                name.project
            ),
            Self::KeyRefused { identity, key, .. } => format!(
                "check that signing-key names an enabled version, and let the account sign with it:\ngcloud kms keys add-iam-policy-binding {} \\\n  --member serviceAccount:{} --role roles/cloudkms.signerVerifier",
                key.key(),
                identity.service_account()
            ),
            Self::KeyAlgorithm { expected, .. } => {
                format!("name a key of the algorithm {expected} in signing-key")
            }
            Self::NoEndpoint { name, there, .. } => no_endpoint(name, there),
            Self::Unreachable { class: Class::Certificate, .. } => AUTHORITY_HELP.to_owned(),
            Self::Unreachable { .. } => NETWORK_HELP.to_owned(),
            Self::Unavailable { .. } => OUTAGE.to_owned(),
            Self::Refused { .. } | Self::Nonsense { .. } | Self::Write { .. } => return None,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Endpoint { .. }
            | Self::ClusterName { .. }
            | Self::NoEndpoint { .. }
            | Self::KeyAlgorithm { .. } => Exit::Usage,
            Self::Write { .. } => Exit::Failed,
            _ => Exit::Unavailable,
        }
    }
}

/// The command that shows a provider.
fn describe(identity: &Identity) -> String {
    format!(
        "gcloud iam workload-identity-pools providers describe {} \\\n  --workload-identity-pool {} --location global --project {}",
        identity.provider_name(),
        identity.pool(),
        identity.project_number()
    )
}

fn unknown_provider(identity: &Identity, repository: Option<&str>) -> String {
    let repository =
        repository.map_or_else(|| "this repository".to_owned(), |name| format!("the repository {name}"));
    format!(
        "most often the tenant is not deployed to this environment, or does not list {repository}; or project-number or tenant-name is wrong, of which the name is made. It is shown by\n{}",
        describe(identity)
    )
}

fn claim_too_long(identity: &Identity, claims: &Claims) -> String {
    let long: Vec<_> =
        claims.too_long(LONGEST_CLAIM).map(|(name, length)| format!("{name} has {length}")).collect();
    let long = if long.is_empty() { String::new() } else { format!(" ({} bytes)", long.join(", ")) };
    format!(
        "shorten the name of the branch, the repository or the environment{long}:\n{claims}\nor let the provider map a shorter one to google.subject; its mapping is shown by\n{}",
        describe(identity)
    )
}

fn no_endpoint(name: &ClusterName, there: &[ClusterEndpoint]) -> String {
    let words: Vec<_> = there.iter().map(|kind| kind.word()).collect();
    let other = match words.as_slice() {
        [] => "it has no endpoint at all; ".to_owned(),
        words => format!("set the environment's key cluster-endpoint to {}, or ", words.join(" or ")),
    };
    format!(
        "{other}open the DNS-based one:\ngcloud container clusters update {} --location {} --project {} --enable-dns-access",
        name.cluster, name.location, name.project
    )
}

fn not_impersonable(identity: &Identity, repository: Option<&str>) -> String {
    format!(
        "list the repository in the tenant, or let it act as the account (or correct the account's name, which may not exist):\ngcloud iam service-accounts add-iam-policy-binding {} \\\n  --project {} --role roles/iam.workloadIdentityUser \\\n  --member principalSet://iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}/attribute.repository/{}",
        identity.service_account(),
        identity.account_project(),
        identity.project_number(),
        identity.pool(),
        repository.unwrap_or("OWNER/REPOSITORY")
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use bytes::Bytes;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::edges::google::Role;
    use crate::edges::google::refusal::{of_exchange, of_impersonation};
    use sys::error::Failure;
    use sys::http::Answer;
    use workflow_commands::Secret;

    const PROVIDER: &str = "projects/42/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-shop";
    const ACCOUNT: &str = "p2p-shop@acme-dev.iam.gserviceaccount.com";
    const PAYLOAD: &str = r#"{"sub":"repo:acme/shop:environment:gcp-dev","repository":"acme/shop","ref":"refs/heads/main","environment":"gcp-dev","job_workflow_ref":"acme/shop/.github/workflows/p2p.yaml@refs/heads/main"}"#;

    fn identity(role: Role) -> Identity {
        Identity::new(role, PROVIDER, ACCOUNT).unwrap()
    }

    fn claims(payload: &str) -> Claims {
        Claims::of(&Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))))
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()), attempts: 1 }
    }

    fn shown<E: Into<Failure>>(errors: impl IntoIterator<Item = E>) -> String {
        let texts: Vec<_> = errors.into_iter().map(|error| error.into().to_string()).collect();
        texts.join("\n\n")
    }

    /// The answers are those of the Security Token Service.
    #[test]
    fn a_refused_exchange_is_explained() {
        let long = format!(r#"{{"sub":"repo:acme/shop:ref:refs/heads/{}"}}"#, "x".repeat(120));
        let cases = [
            (
                PAYLOAD,
                400,
                r#"{"error":"invalid_target","error_description":"The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist."}"#,
            ),
            (
                PAYLOAD,
                401,
                r#"{"error":"unauthorized_client","error_description":"The given credential is rejected by the attribute condition."}"#,
            ),
            (
                long.as_str(),
                400,
                r#"{"error":"invalid_request","error_description":"The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes."}"#,
            ),
            (
                PAYLOAD,
                400,
                r#"{"error":"invalid_grant","error_description":"The issuer in ID Token https://ghe.example/_services/token does not match the expected ones."}"#,
            ),
            (PAYLOAD, 400, "<html>"),
        ];
        insta::assert_snapshot!(shown(cases.map(|(payload, status, body)| {
            of_exchange(&identity(Role::Source), claims(payload), &answer(status, body))
        })));
    }

    #[test]
    fn a_refused_account_is_explained() {
        let cases = [
            (
                403,
                r#"{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).","status":"PERMISSION_DENIED","details":[{"reason":"IAM_PERMISSION_DENIED"}]}}"#,
            ),
            (
                404,
                r#"{"error":{"code":404,"message":"Not found; Gaia id not found for email p2p-shop@acme-dev.iam.gserviceaccount.com","status":"NOT_FOUND"}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"The access token lifetime cannot exceed 3600 seconds.","status":"INVALID_ARGUMENT"}}"#,
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"IAM Service Account Credentials API has not been used in project 42 before or it is disabled.","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"Invalid form of account ID.","status":"INVALID_ARGUMENT"}}"#,
            ),
        ];
        insta::assert_snapshot!(shown(cases.map(|(status, body)| {
            of_impersonation(&identity(Role::Destination), &claims(PAYLOAD), &answer(status, body))
        })));
    }

    #[test]
    fn a_job_without_an_id_token_is_told_how_to_get_one() {
        let identity = || Box::new(identity(Role::Own));
        insta::assert_snapshot!(shown([
            GoogleError::NoIdToken { identity: identity(), fork: false },
            GoogleError::NoIdToken { identity: identity(), fork: true },
            GoogleError::IdToken { identity: identity(), status: 403, answer: "Forbidden".into() },
            GoogleError::IdToken { identity: identity(), status: 400, answer: "no such audience".into() },
        ]));
    }

    #[test]
    fn a_cluster_that_cannot_be_used_is_explained() {
        let name = || ClusterName {
            project: "acme-dev".into(),
            location: "europe-west2".into(),
            cluster: "dev".into(),
        };
        let denied = "PERMISSION_DENIED: Required \"container.clusters.get\" permission(s) for \"projects/acme-dev/locations/europe-west2/clusters/dev\".";
        insta::assert_snapshot!(shown([
            GoogleError::ClusterName { name: ClusterName { cluster: String::new(), ..name() } },
            GoogleError::ClusterForbidden {
                identity: Box::new(identity(Role::Own)),
                name: name(),
                answer: denied.into(),
            },
            GoogleError::NoCluster { name: name(), answer: "NOT_FOUND: Not found".into() },
            GoogleError::NoEndpoint {
                name: name(),
                wanted: Some(ClusterEndpoint::Public),
                there: vec![ClusterEndpoint::Dns, ClusterEndpoint::Private],
            },
            GoogleError::NoEndpoint { name: name(), wanted: None, there: Vec::new() },
        ]));
    }

    #[test]
    fn names_and_networks_are_explained() {
        let lost = |class, reason: &str| GoogleError::Unreachable {
            what: "exchange this job's id token".into(),
            host: "sts.googleapis.com".into(),
            reason: reason.into(),
            class,
            attempts: 2,
        };
        insta::assert_snapshot!(shown([
            Failure::from(
                Identity::new(Role::Own, &PROVIDER.replace("42", "acme-dev"), ACCOUNT).unwrap_err()
            ),
            Identity::new(Role::Source, "p2p-shop", ACCOUNT).unwrap_err().into(),
            Identity::new(Role::Destination, PROVIDER, "p2p-shop").unwrap_err().into(),
            GoogleError::Endpoint { url: "http://sts.example".into() }.into(),
            lost(Class::Silent, "no connection within 5 s").into(),
            lost(Class::Certificate, "invalid peer certificate: UnknownIssuer").into(),
            GoogleError::Unavailable {
                what: "exchange this job's id token".into(),
                host: "sts.googleapis.com".into(),
                status: 503,
                answer: "try again".into(),
                attempts: 6,
            }
            .into(),
            GoogleError::Write { path: "/tmp/x".into(), reason: "No space left on device".into() }.into(),
        ]));
    }
}
