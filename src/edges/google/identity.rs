//! The service accounts that p2p acts as.

use std::fmt;

use sys::error::{Exit, Help};

const PROVIDER_NAME: &str = "set the input workload-identity-provider to\n\
projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER\n\
or correct project-number and tenant-name, of which it is made";

const ACCOUNT_NAME: &str = "set the input service-account to NAME@PROJECT.iam.gserviceaccount.com, or correct tenant-name \
and project-id, of which it is made";

/// The purpose of an identity, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The job's own environment.
    Own,
    /// The environment to promote from.
    Source,
    /// The environment to promote to.
    Destination,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// A service account, and the provider that lets this pipeline act as it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    role: Role,
    provider: String,
    service_account: String,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("'{provider}' is not the name of a workload identity provider of the {role} identity: {problem}")]
    Provider { role: Role, provider: String, problem: &'static str },
    #[error("'{account}' is not the address of a service account of the {role} identity")]
    Account { role: Role, account: String },
}

impl Help for IdentityError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Provider { .. } => PROVIDER_NAME.to_owned(),
            Self::Account { .. } => ACCOUNT_NAME.to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Identity {
    /// Checks both names (contract §4).
    ///
    /// # Errors
    /// The name that is invalid.
    pub fn new(role: Role, provider: &str, service_account: &str) -> Result<Self, IdentityError> {
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let provider = provider.trim_start_matches("https:").trim_start_matches("//");
        let provider = provider.strip_prefix("iam.googleapis.com/").unwrap_or(provider);
        let bad = |problem| IdentityError::Provider { role, provider: provider.to_owned(), problem };
        match *provider.split('/').collect::<Vec<_>>() {
            ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", name]
                if plain(pool) && plain(name) && plain(number) =>
            {
                if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad("it names the project by its id instead of its number"));
                }
            }
            _ => return Err(bad("it is not of that form")),
        }
        let account = service_account.split_once('@');
        if !account.is_some_and(|(name, domain)| plain(name) && plain(domain)) {
            return Err(IdentityError::Account { role, account: service_account.to_owned() });
        }
        Ok(Self { role, provider: provider.to_owned(), service_account: service_account.to_owned() })
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// `projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    pub fn service_account(&self) -> &str {
        &self.service_account
    }

    /// A part of the provider's name, by its position.
    fn part(&self, place: usize) -> &str {
        self.provider.split('/').nth(place).unwrap_or_default()
    }

    /// The number of the provider's project.
    pub(super) fn project_number(&self) -> &str {
        self.part(1)
    }

    pub(super) fn pool(&self) -> &str {
        self.part(5)
    }

    /// The provider's own name, the last part.
    pub(super) fn provider_name(&self) -> &str {
        self.part(7)
    }

    /// The id of the account's project: `p2p-shop@PROJECT.iam.gserviceaccount.com`.
    pub(super) fn account_project(&self) -> &str {
        let domain = self.service_account.split_once('@').map_or("", |(_, domain)| domain);
        domain.split('.').next().unwrap_or_default()
    }
}

/// `source identity p2p-shop@acme-dev.iam.gserviceaccount.com`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identity {}", self.role, self.service_account)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const PROVIDER: &str = "projects/42/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-x";
    const ACCOUNT: &str = "p2p-shop@acme-dev.iam.gserviceaccount.com";

    #[test]
    fn the_parts_are_found() {
        let identity = Identity::new(Role::Source, PROVIDER, ACCOUNT).unwrap();
        assert_eq!(identity.project_number(), "42");
        assert_eq!((identity.pool(), identity.provider_name()), ("p2p-shop", "p2p-x"));
        assert_eq!(identity.account_project(), "acme-dev");
        assert_eq!(identity.to_string(), format!("source identity {ACCOUNT}"));
        let full = Identity::new(Role::Source, &format!("//iam.googleapis.com/{PROVIDER}"), ACCOUNT).unwrap();
        assert_eq!(full, identity);
    }

    #[test]
    fn what_is_no_name_is_refused_before_anything_is_sent() {
        let wrong = [
            "p2p-shop",
            "projects/42/locations/global/workloadIdentityPools/p/providers/",
            "projects/42/locations/global/workloadIdentityPools/p/providers/q/r",
            "projects/42/locations/global/workloadIdentityPools/p?x/providers/q",
            "projects/acme-dev/locations/global/workloadIdentityPools/p/providers/q",
        ];
        for provider in wrong {
            let error = Identity::new(Role::Own, provider, ACCOUNT).unwrap_err();
            assert!(matches!(error, IdentityError::Provider { .. }), "{provider}");
        }
        for account in ["", "p2p-shop", "@x", "a@b/c", "a b@c", "a@b:signJwt"] {
            let error = Identity::new(Role::Own, PROVIDER, account).unwrap_err();
            assert!(matches!(error, IdentityError::Account { .. }), "{account}");
        }
    }
}
