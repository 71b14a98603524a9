//! The types that inputs are parsed into.

use std::time::Duration;

use super::{InputKind, Value};
use crate::domain::version::Line;
use sys::closest;
use workflow_commands::Secret;

/// The expected words, with a suggestion if one is similar.
fn expected(word: &str, words: &[&str], expected: &str) -> String {
    match closest(word, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {expected}"),
        None => expected.to_owned(),
    }
}

impl Value for String {
    const KIND: InputKind = InputKind::Text;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn text(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Value for Secret {
    const KIND: InputKind = InputKind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
}

impl Value for bool {
    const KIND: InputKind = InputKind::Bool;

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            word => Err(expected(word, &["true", "false"], "expected `true` or `false`")),
        }
    }
}

/// Names, separated by white space or commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Value for Words {
    const KIND: InputKind = InputKind::Words;

    fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        if words.is_empty() { Err("expected at least one name".to_owned()) } else { Ok(Self(words)) }
    }

    fn text(&self) -> Option<String> {
        Some(self.0.join(","))
    }
}

/// Glob patterns, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

impl Value for Lines {
    const KIND: InputKind = InputKind::Globs;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
    }
}

impl Value for Duration {
    const KIND: InputKind = InputKind::Duration;

    fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected a whole number of minutes, or one with a unit: `90s`, `45m`, `2h`; more than 0"
                .to_owned()
        };
        let text = text.trim();
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = match unit.trim() {
            "s" => 1,
            "" | "m" | "min" => 60,
            "h" => 3600,
            _ => return Err(expected()),
        };
        let count = digits.parse::<u64>().map_err(|_| expected())?;
        match count.checked_mul(unit) {
            Some(seconds @ 1..=31_536_000) => Ok(Self::from_secs(seconds)),
            _ => Err(expected()),
        }
    }
}

/// On or off. Also accepts truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `on` or `true`.
    On,
    /// `off` or `false`.
    Off,
}

impl Value for Switch {
    const KIND: InputKind = InputKind::Bool;

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" => Ok(Self::On),
            "off" | "false" => Ok(Self::Off),
            word => Err(expected(word, &["on", "off", "true", "false"], "expected `on` or `off`")),
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Value for Size {
    const KIND: InputKind = InputKind::Size;

    fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || "expected a number of bytes, or one with a unit: `500MiB`, `2GiB`; `0` for never".to_owned();
        let text = text.trim();
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            _ => return Err(expected()),
        };
        digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).map(Self).ok_or_else(expected)
    }
}

/// The floating tags to move, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingTags(pub Vec<Line>);

impl Value for FloatingTags {
    const KIND: InputKind = InputKind::Words;

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for word in Words::parse(text)?.0 {
            let line = match word.as_str() {
                "major" => Line::Major,
                "minor" => Line::Minor,
                word => return Err(expected(word, &["major", "minor"], "expected `major`, `minor` or both")),
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        Ok(Self(lines))
    }
}

macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The words of the choices.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of this choice.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Value for $name {
            const KIND: InputKind = InputKind::Choice(Self::WORDS);

            fn parse(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)+
                    word => {
                        let words = format!("expected one of `{}`", Self::WORDS.join("`, `"));
                        Err(expected(word, Self::WORDS, &words))
                    }
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    )+ };
}

choices! {
    /// What to do.
    Command {
        /// The whole gate.
        FastFeedback = "fast-feedback",
        /// The gate of the long tests, for the latest version that waits for it.
        ExtendedTest = "extended-test",
        /// The gate of production, for the latest version that waits for it.
        Prod = "prod",
        /// Compute the version, and create its tag on the main branch.
        Version = "version",
        /// Run make targets in the prepared environment.
        Run = "run",
        /// Promote the tested images to the next stage.
        Promote = "promote",
        /// Create the GitHub release of a version and move the floating tags.
        Release = "release",
        /// Scan source or images for vulnerabilities and secrets.
        Scan = "scan",
        /// Find the latest version that waits for a gate.
        Latest = "latest",
        /// Print what another command would do.
        Plan = "plan",
    }

    /// Whether functional and nft run at the same time.
    Parallel {
        /// Unless both use something that a copy of the workspace cannot separate.
        Auto = "auto",
        /// Always.
        Always = "true",
        /// Never.
        Never = "false",
    }

    /// The part of the version that increases.
    Bump {
        /// The third number.
        Patch = "patch",
        /// The second.
        Minor = "minor",
        /// The first.
        Major = "major",
        /// The part that the commit messages request.
        Conventional = "conventional",
    }

    /// The commit that gets the version tag.
    ReleaseCommit {
        /// The commit under test.
        Own = "own",
        /// A new commit, a child of the commit under test.
        Child = "child",
    }

    /// What a missing `p2p-integration` means, and whether the target runs.
    Integration {
        /// It is skipped with a warning if the Makefile has none.
        Optional = "optional",
        /// It is an error if the Makefile has none.
        Required = "required",
        /// It never runs.
        Off = "off",
    }

    /// How images are promoted.
    Promotion {
        /// With the team's own recipe if git tracks it, otherwise natively.
        Auto = "auto",
        /// With the Makefile's target.
        Make = "make",
        /// p2p copies the images.
        Native = "native",
    }

    /// The endpoint of the cluster to use.
    ClusterEndpoint {
        /// The DNS-based one, with a public certificate.
        Dns = "dns",
        /// The public address.
        Public = "public",
        /// The address inside the network.
        Private = "private",
    }

    /// Where image builds keep their layers.
    BuildCache {
        /// Beside the image, in its registry.
        Registry = "registry",
        /// Nowhere.
        Off = "off",
        /// As the Makefile sets it.
        Keep = "keep",
    }

    /// What happens to a pull request from a fork.
    OnFork {
        /// The gate fails.
        Failure = "failure",
        /// The gate is skipped.
        Skipped = "skipped",
        /// It runs like any other pull request.
        Run = "run",
    }

    /// Whether a job acts as a service account.
    Federate {
        /// If it needs to and can.
        Auto = "auto",
        /// Everywhere.
        On = "on",
        /// Nowhere.
        Off = "off",
    }

    /// Whether targets can request id tokens from GitHub.
    IdToken {
        /// The variables for such requests are removed.
        Withhold = "withhold",
        /// The variables are in their environment.
        Pass = "pass",
    }

    /// What happens if a tag at the destination names another image.
    OnExisting {
        /// An image of the same commit stays. Otherwise it is an error.
        Keep = "keep",
        /// It is an error that shows both digests. Nothing is written.
        Fail = "fail",
        /// The tag moves to the promoted image.
        Overwrite = "overwrite",
    }

    /// How p2p uses the records of gates.
    Records {
        /// Each gate leaves a record. An image without the records of the earlier gates is refused.
        Required = "required",
        /// Each gate leaves a record. A missing one is a warning.
        Expected = "expected",
        /// As `required`, and only records count that the gate of this repository signed.
        Signed = "signed",
        /// Records are neither written nor read.
        Off = "off",
    }

    /// The commits that are searched for secrets.
    History {
        /// Those of the event.
        Changes = "changes",
        /// All.
        Full = "full",
    }

    /// The lowest severity at which findings of scans block.
    BlockingSeverity {
        /// None blocks.
        Off = "off",
        /// All findings with a severity.
        Low = "low",
        /// Medium and above.
        Medium = "medium",
        /// High and critical.
        High = "high",
        /// Only critical findings, and secrets that work.
        Critical = "critical",
    }

    /// When the pull request gets a comment.
    CommentOn {
        /// Never.
        Never = "never",
        /// When the gate fails. A later run that passes changes the comment.
        Failure = "failure",
        /// Always.
        Always = "always",
    }

    /// Who signs the records of gates.
    SigningInstance {
        /// Sigstore's public instance, with public logs.
        Public = "public",
        /// GitHub's own instance, which has no public log.
        Github = "github",
        /// A key of your own in Cloud KMS.
        Key = "key",
    }

    /// The format of `plan`.
    OutputFormat {
        /// For a person.
        Text = "text",
        /// For a program.
        Json = "json",
        /// The environments of the gate, in the form of GitHub's `strategy.matrix`.
        Matrix = "matrix",
    }
}

impl Records {
    /// Whether an image without records is refused.
    pub fn must_be_there(self) -> bool {
        matches!(self, Self::Required | Self::Signed)
    }
}

impl Command {
    /// Whether this run creates version tags.
    pub fn creates_tags(self) -> bool {
        matches!(self, Self::FastFeedback | Self::Version | Self::Release)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations_are_minutes_unless_they_say_otherwise() {
        assert_eq!(Duration::parse("60").unwrap(), Duration::from_hours(1));
        assert_eq!(Duration::parse("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(Duration::parse("2h").unwrap(), Duration::from_hours(2));
        for wrong in ["0", "-1", "1.5", "1d", "m", "99999999999999999999"] {
            assert!(Duration::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_take_binary_units() {
        assert_eq!(Size::parse("2GiB").unwrap(), Size(2 << 30));
        assert_eq!(Size::parse("500 MiB").unwrap(), Size(500 << 20));
        assert_eq!(Size::parse("0").unwrap(), Size(0));
        assert!(Size::parse("2 pounds").is_err());
        assert!(Size::parse("99999999999GiB").is_err());
    }

    #[test]
    fn words_split_on_white_space_and_commas() {
        assert_eq!(Words::parse("api, web\n worker").unwrap().0, ["api", "web", "worker"]);
        assert!(Words::parse(" , ").is_err());
    }
}
