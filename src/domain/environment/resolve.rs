//! Which source gives each value of an environment, first match wins (contract §4).

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::environments::{Environments, OWN};
use super::error::EnvironmentError;
use super::key::Key;
use super::names::{PKG_DEV, complete};
use super::value::{Given, Origin, Value, write_table};
use super::vars::Vars;
use crate::inputs;

/// Everything that can give a value.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The job's own environment, where it is named.
    pub environment: Option<Value>,
    /// The inputs that are named like a [`Key`].
    pub inputs: Given,
    /// The `environments` input, with what only `.p2p.yaml` says added ([`Environments::or`]).
    pub environments: Environments,
    /// The `vars` input.
    pub vars: Vars,
    /// Tenant and app from make's database ([`Sources::makefile`]).
    pub makefile: Given,
}

/// The values of one environment, derived ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Values {
    /// The environment's name, where it has one.
    pub environment: Option<Value>,
    /// Whether it is the job's own environment.
    pub own: bool,
    #[serde(rename = "values")]
    known: Given,
}

impl Sources {
    /// What make's database says: the values of `P2P_TENANT_NAME` and `P2P_APP_NAME`.
    pub fn makefile(tenant: Option<&str>, app: Option<&str>) -> Given {
        [
            (Key::TenantName, tenant, Origin::Makefile("P2P_TENANT_NAME")),
            (Key::AppName, app, Origin::Makefile("P2P_APP_NAME")),
        ]
        .into_iter()
        .filter_map(|(key, text, origin)| Some((key, Value::new(text?.trim(), origin))))
        .filter(|(_, value)| !value.text.is_empty())
        .collect()
    }

    /// The values of the job's own environment: inputs, its entry, `vars`, make's database.
    pub fn own(&self) -> Result<Values, EnvironmentError> {
        Ok(Values { environment: self.environment.clone(), own: true, known: complete(self.own_given())? })
    }

    /// The values of the environment `name`, which a promotion reads from or writes to: those of its
    /// entry, and none of the job's own environment unless both have the same name. Values that belong to
    /// no environment ([`Key::shared`]) are the job's.
    pub fn of(&self, name: &Value) -> Result<Values, EnvironmentError> {
        let own = self.environment.as_ref().is_some_and(|own| own.text == name.text);
        let mut given = self.own_given();
        if !own {
            let mut entry = self.environments.entry(&name.text).cloned().unwrap_or_default();
            given.retain(|key, _| key.shared());
            fill(&mut entry, &given);
            given = entry;
        }
        Ok(Values { environment: Some(name.clone()), own, known: complete(given)? })
    }

    /// The registries of the environments that have entries.
    pub fn registries(&self) -> Vec<String> {
        let values = |name: &String| self.of(&Value::new(name, Origin::Default)).ok();
        let known = self.environments.named().filter_map(|(name, _)| values(name));
        known.filter_map(|values| values.text(Key::Registry).map(str::to_owned)).collect()
    }

    fn own_given(&self) -> Given {
        let mut given = self.inputs.clone();
        let name = self.environment.as_ref().map(|own| own.text.as_str());
        for entry in name.into_iter().chain([OWN]).filter_map(|name| self.environments.entry(name)) {
            fill(&mut given, entry);
        }
        fill(&mut given, &self.vars.values);
        fill(&mut given, &self.makefile);
        given
    }
}

fn fill(given: &mut Given, later: &Given) {
    for (key, value) in later {
        given.entry(*key).or_insert_with(|| value.clone());
    }
}

impl Values {
    /// The value, where it is known.
    pub fn get(&self, key: Key) -> Option<&Value> {
        self.known.get(&key)
    }

    /// The values but for tenant and app, which belong to no environment.
    pub fn of_environment(&self) -> Given {
        let of_team = |key: Key| matches!(key, Key::TenantName | Key::AppName);
        self.known
            .iter()
            .filter(|(key, _)| !of_team(**key))
            .map(|(key, value)| (*key, value.clone()))
            .collect()
    }

    /// The value as what it stands for; its text was checked when the environment was read.
    pub(crate) fn parsed<T: inputs::Value>(&self, key: Key) -> Option<T> {
        self.text(key).and_then(|text| T::parse(text).ok())
    }

    /// Its text.
    pub fn text(&self, key: Key) -> Option<&str> {
        self.get(key).map(|value| value.text.as_str())
    }

    /// Whether a registry is one that Google's tokens may be shown to: Artifact Registry's own hosts,
    /// `gcr.io`, and the host that `artifact-registry-domain` names.
    pub fn is_google(&self, registry: &str) -> bool {
        let domain = self.text(Key::ArtifactRegistryDomain).unwrap_or(PKG_DEV);
        let host = registry.split('/').next().unwrap_or_default();
        host == domain
            || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with("-docker."))
            || host == "gcr.io"
            || host.ends_with(".gcr.io")
    }

    /// The registry, where it is one that Google's tokens may be shown to.
    pub fn google_registry(&self) -> Option<&str> {
        self.text(Key::Registry).filter(|registry| self.is_google(registry))
    }

    /// The value, or an error that names what has to be said, and where.
    pub fn require(&self, key: Key) -> Result<&Value, EnvironmentError> {
        self.get(key).ok_or_else(|| EnvironmentError::Missing {
            environment: self.environment.as_ref().map(|name| name.text.clone()),
            own: self.own,
            key,
            lacking: self.lacking(key),
        })
    }

    /// The key of the namespace that a target works in: [`Key::Namespace`] where it is known and the
    /// command is `run`, else the target's own; the base namespace for build and promotion. A subnamespace
    /// that is the usual one of the target asks for nothing but its own.
    pub fn namespace_key(&self, target: &str, run: bool) -> Key {
        let own = Key::namespace_of(target);
        let usual = own.ending().is_some() && self.text(Key::Subnamespace) == own.ending();
        let other = |namespace: &Value| run && !(usual && namespace.derived());
        if self.get(Key::Namespace).is_some_and(other) { Key::Namespace } else { own }
    }

    /// What would have to be given so that the key is known.
    fn lacking(&self, key: Key) -> Vec<Key> {
        let mut lacking = Vec::new();
        for source in key.derived_from() {
            if self.get(*source).is_none() {
                lacking.extend(self.lacking(*source));
            }
        }
        if lacking.is_empty() { vec![key] } else { lacking }
    }
}

impl Environments {
    /// Everything as the input `environments` takes it, with the values of the job's environment in its
    /// entry: what somebody gave, not what follows from that.
    pub fn described(&self, own: &Values) -> Map<String, Json> {
        let texts = |given: &Given| -> Map<String, Json> {
            let given = given.iter().filter(|(_, value)| !value.derived());
            given.map(|(key, value)| (key.name().to_owned(), Json::from(value.text.clone()))).collect()
        };
        let mut described: Map<_, _> =
            self.named().map(|(name, given)| (name.clone(), Json::from(texts(given)))).collect();
        if let Some(name) = &own.environment {
            described.insert(name.text.clone(), Json::from(texts(&own.of_environment())));
        }
        described
    }
}

/// One value a line with where it came from, as `p2p plan` shows them.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.environment.iter().map(|value| ("environment", value));
        let values = Key::ALL.iter().filter_map(|key| Some((key.name(), self.get(*key)?)));
        write_table(f, name.chain(values).map(|(name, value)| (name, value.text.as_str(), &value.origin)))
    }
}

#[cfg(test)]
mod tests;
