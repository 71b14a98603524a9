//! Suggests the word that a user probably meant.

/// The known word that is most similar to `word`, if at most one in three characters is added, missing, different or
/// swapped with its neighbour.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.trim().to_lowercase().chars().collect();
    let near = |known: &'a str| {
        let other: Vec<char> = known.chars().collect();
        let most = (word.len().min(other.len()) / 3).max(1);
        Some((distance(&word, &other), known)).filter(|(distance, _)| *distance <= most && word.len() > 1)
    };
    known.into_iter().filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The optimal string alignment distance (Levenshtein's, with swaps of neighbours).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before = vec![0; other.len() + 1];
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(a != b);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_close_and_another_word_is_not() {
        let known = ["fast-feedback", "extended-test", "prod", "off", "required"];
        for (word, expected) in [
            ("fastfeedback", Some("fast-feedback")),
            ("Prod", Some("prod")),
            ("pord", Some("prod")),
            ("of", Some("off")),
            ("requird", Some("required")),
            ("extend-test", Some("extended-test")),
            ("p2p-build", None),
            ("sometimes", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known), expected, "{word}");
        }
    }
}
