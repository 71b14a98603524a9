//! The stages of the path to production and the targets of their gates. This is the only table that names them.

use serde::Serialize;

use super::key::Key;

/// A quality gate, and the registry path with the images that wait for it or have passed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Build, functional, nft, integration.
    FastFeedback,
    /// The long tests.
    ExtendedTest,
    /// Production.
    Prod,
}

struct Row {
    stage: Stage,
    /// Its name in records and on the command line.
    word: &'static str,
    /// The input for its registry path, and the default path.
    path: (&'static str, &'static str),
    /// The variable in `vars` with the environments of its gate.
    variable: &'static str,
    /// The make target that promotes to it.
    promotion: Option<&'static str>,
}

const STAGES: [Row; 3] = [
    Row {
        stage: Stage::FastFeedback,
        word: "fast-feedback",
        path: ("fast-feedback-path", "test"),
        variable: "FAST_FEEDBACK",
        promotion: None,
    },
    Row {
        stage: Stage::ExtendedTest,
        word: "extended-test",
        path: ("extended-test-path", "extended-test"),
        variable: "EXTENDED_TEST",
        promotion: Some("p2p-promote-to-extended-test"),
    },
    Row {
        stage: Stage::Prod,
        word: "prod",
        path: ("prod-path", "prod"),
        variable: "PROD",
        promotion: Some("p2p-promote-to-prod"),
    },
];

/// The target that builds the images and pushes them.
pub const BUILD: &str = "p2p-build";
/// The functional tests.
pub const FUNCTIONAL: &str = "p2p-functional";
/// The non-functional tests.
pub const NFT: &str = "p2p-nft";
/// The integration tests, which are optional.
pub const INTEGRATION: &str = "p2p-integration";
/// The target that deploys to production.
pub const PROD: &str = "p2p-prod";

pub struct GateTarget {
    /// Its name in the Makefile.
    pub name: &'static str,
    pub stage: Stage,
    /// The key of its namespace, and the default ending of the namespace. The build uses the base namespace.
    pub namespace: Option<(Key, &'static str)>,
}

/// The targets of the gates, in order.
pub const TARGETS: [GateTarget; 6] = [
    row(BUILD, Stage::FastFeedback, None),
    row(FUNCTIONAL, Stage::FastFeedback, Some((Key::NamespaceFunctional, "functional"))),
    row(NFT, Stage::FastFeedback, Some((Key::NamespaceNft, "nft"))),
    row(INTEGRATION, Stage::FastFeedback, Some((Key::NamespaceIntegration, "integration"))),
    row("p2p-extended-test", Stage::ExtendedTest, Some((Key::NamespaceExtended, "extended"))),
    row(PROD, Stage::Prod, Some((Key::NamespaceProd, "prod"))),
];

const fn row(name: &'static str, stage: Stage, namespace: Option<(Key, &'static str)>) -> GateTarget {
    GateTarget { name, stage, namespace }
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 3] = [Self::FastFeedback, Self::ExtendedTest, Self::Prod];

    fn row(self) -> &'static Row {
        &STAGES[self as usize]
    }

    /// The stage's name in records and on the command line.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// The stage with this name.
    pub fn named(word: &str) -> Option<Self> {
        STAGES.iter().find(|row| row.word == word).map(|row| row.stage)
    }

    /// The later stage with this name. Images can be promoted to it.
    pub fn later(word: &str) -> Option<Self> {
        Self::named(word).filter(|stage| stage.promotion().is_some())
    }

    /// The input for the registry path of the stage.
    pub fn path_input(self) -> &'static str {
        self.row().path.0
    }

    /// The default registry path of the stage.
    pub fn default_path(self) -> &'static str {
        self.row().path.1
    }

    /// The variable in `vars` with the environments of the gate.
    pub fn variable(self) -> &'static str {
        self.row().variable
    }

    /// The make target that promotes to the stage.
    pub fn promotion(self) -> Option<&'static str> {
        self.row().promotion
    }

    /// The stages before this one.
    pub fn earlier(self) -> &'static [Self] {
        match self {
            Self::FastFeedback => &[],
            Self::ExtendedTest => &[Self::FastFeedback],
            Self::Prod => &[Self::FastFeedback, Self::ExtendedTest],
        }
    }

    /// The stage that this gate promotes to.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|next| next.earlier().last() == Some(&self))
    }

    /// The targets of the gate, in order.
    pub fn targets(self) -> impl Iterator<Item = &'static str> {
        TARGETS.iter().filter(move |target| target.stage == self).map(|target| target.name)
    }

    /// The stage whose gate contains this target.
    pub fn of_target(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).map(|target| target.stage)
    }

    /// The stage that this target promotes to.
    pub fn promoted_by(name: &str) -> Option<Self> {
        STAGES.iter().find(|row| row.promotion == Some(name)).map(|row| row.stage)
    }
}

impl Key {
    /// The default ending of the namespace.
    pub(super) fn ending(self) -> Option<&'static str> {
        TARGETS.iter().filter_map(|target| target.namespace).find(|(key, _)| *key == self).map(|(_, end)| end)
    }

    /// The key of the namespace that a target works in. Build and promotion use the base namespace.
    pub(super) fn namespace_of(target: &str) -> Self {
        let target = TARGETS.iter().find(|known| known.name == target);
        target.and_then(|target| target.namespace).map_or(Self::BaseNamespace, |(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_in_the_order_of_the_stages() {
        for stage in Stage::ALL {
            assert_eq!(stage.row().stage, stage);
            assert_eq!(Stage::named(stage.word()), Some(stage));
        }
        assert_eq!(Stage::FastFeedback.next(), Some(Stage::ExtendedTest));
        assert_eq!(Stage::Prod.next(), None);
        assert_eq!(Stage::later("fast-feedback"), None);
    }
}
