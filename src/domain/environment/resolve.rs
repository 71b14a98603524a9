//! Decides which source sets each value of an environment. The first match wins (contract §4).

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

/// All sources of values.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The name of the job's own environment, if it has one.
    pub environment: Option<Value>,
    /// The inputs that have the name of a [`Key`].
    pub inputs: Given,
    /// The input `environments`, completed by `.p2p.yaml` ([`Environments::or`]).
    pub environments: Environments,
    /// The `vars` input.
    pub vars: Vars,
    /// Tenant and app from the Makefile ([`Sources::makefile`]).
    pub makefile: Given,
}

/// The values of one environment, including derived ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Values {
    /// The environment's name, if it has one.
    pub environment: Option<Value>,
    /// Whether it is the job's own environment.
    pub own: bool,
    #[serde(rename = "values")]
    known: Given,
}

impl Sources {
    /// The values of `P2P_TENANT_NAME` and `P2P_APP_NAME` in the Makefile.
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

    /// The values of the job's own environment: from inputs, its entry, `vars` and the Makefile.
    pub fn own(&self) -> Result<Values, EnvironmentError> {
        Ok(Values { environment: self.environment.clone(), own: true, known: complete(self.own_given())? })
    }

    /// The values of the environment `name`, which a promotion reads from or writes to. They come from its entry
    /// only, unless it is the job's own environment. Values that belong to no environment ([`Key::shared`]) are
    /// those of the job.
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

    /// The registries of all environments that have entries.
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
    /// The value, if it is known.
    pub fn get(&self, key: Key) -> Option<&Value> {
        self.known.get(&key)
    }

    /// The values that belong to the environment, without tenant and app.
    pub fn of_environment(&self) -> Given {
        let of_team = |key: Key| matches!(key, Key::TenantName | Key::AppName);
        self.known
            .iter()
            .filter(|(key, _)| !of_team(**key))
            .map(|(key, value)| (*key, value.clone()))
            .collect()
    }

    /// The parsed value. Its text was checked when the environment was read.
    pub(crate) fn parsed<T: inputs::Value>(&self, key: Key) -> Option<T> {
        self.text(key).and_then(|text| T::parse(text).ok())
    }

    /// Its text.
    pub fn text(&self, key: Key) -> Option<&str> {
        self.get(key).map(|value| value.text.as_str())
    }

    /// Whether p2p may send Google's tokens to a registry: to Artifact Registry's own hosts, to `gcr.io`, and to the
    /// host in `artifact-registry-domain`.
    pub fn is_google(&self, registry: &str) -> bool {
        let domain = self.text(Key::ArtifactRegistryDomain).unwrap_or(PKG_DEV);
        let host = registry.split('/').next().unwrap_or_default();
        host == domain
            || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with("-docker."))
            || host == "gcr.io"
            || host.ends_with(".gcr.io")
    }

    /// The registry, if p2p may send Google's tokens to it.
    pub fn google_registry(&self) -> Option<&str> {
        self.text(Key::Registry).filter(|registry| self.is_google(registry))
    }

    /// The value, or an error that says which key to set and where.
    pub fn require(&self, key: Key) -> Result<&Value, EnvironmentError> {
        self.get(key).ok_or_else(|| EnvironmentError::Missing {
            environment: self.environment.as_ref().map(|name| name.text.clone()),
            own: self.own,
            key,
            lacking: self.lacking(key),
        })
    }

    /// The key for the namespace of a target. For the command `run` it is [`Key::Namespace`] if that is known,
    /// otherwise the target's own. Build and promotion have the base namespace. A subnamespace equal to the target's
    /// usual one changes nothing.
    pub fn namespace_key(&self, target: &str, run: bool) -> Key {
        let own = Key::namespace_of(target);
        let usual = own.ending().is_some() && self.text(Key::Subnamespace) == own.ending();
        let other = |namespace: &Value| run && !(usual && namespace.derived());
        if self.get(Key::Namespace).is_some_and(other) { Key::Namespace } else { own }
    }

    /// The keys that would have to be set so that `key` is known.
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
    /// All entries in the form of the input `environments`. The entry of the job's own environment gets its values,
    /// but not derived ones.
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

/// One value per line with its source, as `p2p plan` shows it.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.environment.iter().map(|value| ("environment", value));
        let values = Key::ALL.iter().filter_map(|key| Some((key.name(), self.get(*key)?)));
        write_table(f, name.chain(values).map(|(name, value)| (name, value.text.as_str(), &value.origin)))
    }
}

#[cfg(test)]
mod tests;
