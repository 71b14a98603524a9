//! Severities.

use serde::Serialize;

use crate::inputs::BlockingSeverity;

/// The severity of a finding, the highest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    /// It is not classified yet.
    #[default]
    Unknown,
}

impl Severity {
    /// All severities, the highest first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Unknown];

    /// The severity with a scanner's name, in upper or lower case. Any other word is [`Severity::Unknown`].
    pub fn named(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|severity| severity.word().eq_ignore_ascii_case(word))
            .unwrap_or(Self::Unknown)
    }

    /// The severity of a score from 0 to 10 (CVSS 3.1, section 5).
    pub fn of_score(score: f64) -> Self {
        match score {
            9.0.. => Self::Critical,
            7.0.. => Self::High,
            4.0.. => Self::Medium,
            0.1.. => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// The word in reports: `HIGH`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether a finding of this severity blocks. An unclassified one never does.
    pub fn blocks(self, threshold: BlockingSeverity) -> bool {
        threshold != BlockingSeverity::Off && self <= Self::named(threshold.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_blocks_what_is_at_least_as_grave() {
        use BlockingSeverity as At;
        let blocked = |threshold| Severity::ALL.map(|severity| severity.blocks(threshold));
        assert_eq!(blocked(At::Off), [false; 5]);
        assert_eq!(blocked(At::Critical), [true, false, false, false, false]);
        assert_eq!(blocked(At::High), [true, true, false, false, false]);
        assert_eq!(blocked(At::Medium), [true, true, true, false, false]);
        assert_eq!(blocked(At::Low), [true, true, true, true, false]);
    }

    #[test]
    fn words_and_scores_have_a_severity() {
        for severity in Severity::ALL {
            assert_eq!(Severity::named(&severity.word().to_lowercase()), severity);
        }
        assert_eq!(Severity::named("negligible"), Severity::Unknown);
        let scores = [10.0, 9.0, 8.9, 7.0, 6.9, 4.0, 3.9, 0.1, 0.0, -1.0];
        let words: Vec<_> = scores.map(|score| &Severity::of_score(score).word()[..1]).into();
        assert_eq!(words, ["C", "C", "H", "H", "M", "M", "L", "L", "U", "U"]);
        assert_eq!(Severity::of_score(f64::NAN), Severity::Unknown);
    }
}
