//! Pure: version tags and which version a commit gets.
