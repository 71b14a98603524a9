use super::Version;

/// The part of a version that increases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BumpLevel {
    /// The third number.
    Patch,
    /// The second number. The third restarts at 0.
    Minor,
    /// The first number. The others restart at 0.
    Major,
}

impl BumpLevel {
    /// The highest level that one of the commit messages requests, at least a patch.
    pub fn of_messages<'a>(messages: impl IntoIterator<Item = &'a str>) -> Self {
        messages.into_iter().map(Self::of_message).max().unwrap_or(Self::Patch)
    }

    /// The level that one message requests (Conventional Commits 1.0.0): `feat: …` a minor version; `!` before the
    /// colon, or a footer `BREAKING CHANGE: …` or `BREAKING-CHANGE: …`, a major one.
    fn of_message(message: &str) -> Self {
        let mut lines = message.lines();
        let header = lines.next().unwrap_or_default();
        let kind = Type::of(header);
        let breaks = |line: &str| {
            ["BREAKING CHANGE: ", "BREAKING-CHANGE: ", "BREAKING CHANGE #", "BREAKING-CHANGE #"]
                .iter()
                .any(|token| line.starts_with(token))
        };
        if kind.as_ref().is_some_and(|kind| kind.breaking) || lines.any(breaks) {
            Self::Major
        } else if kind.is_some_and(|kind| kind.name.eq_ignore_ascii_case("feat")) {
            Self::Minor
        } else {
            Self::Patch
        }
    }

    /// The word for it: `patch`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The part of a header before the colon: `feat(api)!`.
struct Type<'a> {
    name: &'a str,
    breaking: bool,
}

impl<'a> Type<'a> {
    fn of(header: &'a str) -> Option<Self> {
        let (front, _) = header.split_once(": ")?;
        let (front, breaking) = front.strip_suffix('!').map_or((front, false), |front| (front, true));
        let name = match front.split_once('(') {
            Some((name, scope)) if scope.strip_suffix(')').is_some_and(|scope| !scope.is_empty()) => name,
            Some(_) => return None,
            None => front,
        };
        let is_word =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_word.then_some(Self { name, breaking })
    }
}

impl Version {
    /// The next version, or `None` after the largest number.
    pub fn next(self, level: BumpLevel) -> Option<Self> {
        Some(match level {
            BumpLevel::Patch => Self { patch: self.patch.checked_add(1)?, ..self },
            BumpLevel::Minor => Self { minor: self.minor.checked_add(1)?, patch: 0, ..self },
            BumpLevel::Major => Self::new(self.major.checked_add(1)?, 0, 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_ask_for_what_they_say() {
        for (message, level) in [
            ("", BumpLevel::Patch),
            ("fix: a bug", BumpLevel::Patch),
            ("Merge pull request #7 from acme/feat", BumpLevel::Patch),
            ("feat: a thing", BumpLevel::Minor),
            ("feat(api): a thing", BumpLevel::Minor),
            ("Feat(a/b c): a thing", BumpLevel::Minor),
            ("feat:a thing", BumpLevel::Patch),
            ("feature: a thing", BumpLevel::Patch),
            ("feat(): a thing", BumpLevel::Patch),
            ("feat (api): a thing", BumpLevel::Patch),
            ("a feat: a thing", BumpLevel::Patch),
            ("fix: a bug\n\nfeat: not a header", BumpLevel::Patch),
            ("feat!: a thing", BumpLevel::Major),
            ("chore(deps)!: a thing", BumpLevel::Major),
            ("what a day!: really", BumpLevel::Patch),
            ("fix: a bug\n\nBREAKING CHANGE: no more", BumpLevel::Major),
            ("fix: a bug\r\n\r\nBREAKING-CHANGE: no more", BumpLevel::Major),
            ("fix: a bug\n\nBREAKING CHANGE #7", BumpLevel::Major),
            ("fix: a bug\n\nbreaking change: no more", BumpLevel::Patch),
            ("fix: a bug\n\nno BREAKING CHANGE: at all", BumpLevel::Patch),
            ("BREAKING CHANGE: as the header", BumpLevel::Patch),
        ] {
            assert_eq!(BumpLevel::of_message(message), level, "{message:?}");
        }
    }

    #[test]
    fn the_highest_level_counts_and_none_is_a_patch() {
        assert_eq!(BumpLevel::of_messages([]), BumpLevel::Patch);
        assert_eq!(BumpLevel::of_messages(["fix: a", "feat: b", "docs: c"]), BumpLevel::Minor);
        assert_eq!(BumpLevel::of_messages(["fix!: a", "feat: b"]), BumpLevel::Major);
    }

    #[test]
    fn counts_up_to_the_largest_number_and_no_further() {
        assert_eq!(Version::new(1, 2, 9).next(BumpLevel::Patch), Some(Version::new(1, 2, 10)));
        assert_eq!(Version::new(1, 2, 9).next(BumpLevel::Minor), Some(Version::new(1, 3, 0)));
        assert_eq!(Version::new(1, 2, 9).next(BumpLevel::Major), Some(Version::new(2, 0, 0)));
        let largest = Version::new(u64::MAX, u64::MAX, u64::MAX);
        for level in [BumpLevel::Patch, BumpLevel::Minor, BumpLevel::Major] {
            assert_eq!(largest.next(level), None);
        }
    }

    proptest! {
        #[test]
        fn the_next_version_is_higher(parts in prop::array::uniform3(0..u64::MAX)) {
            let version = Version::new(parts[0], parts[1], parts[2]);
            for level in [BumpLevel::Patch, BumpLevel::Minor, BumpLevel::Major] {
                prop_assert!(version.next(level).is_some_and(|next| next > version));
            }
        }
    }
}
