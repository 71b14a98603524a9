//! Separates findings that an ignore file covers from the others.

use std::mem::take;

use jiff::civil::Date;

use super::findings::{Ignored, LeakedSecret, Vulnerability};
use super::ignore::{Entry, IgnoreFile};
use super::outcome::ScanGroup;
use crate::inputs::BlockingSeverity;

/// The ignore files that count, and the day.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    pub files: Vec<IgnoreFile>,
    pub today: Date,
}

/// The entries for one kind of finding in the source or an image, with the ones that matched.
struct Rules<'a> {
    entries: Vec<(&'a IgnoreFile, &'a Entry, bool)>,
    today: Date,
}

impl IgnoreRules {
    /// Separates findings that count from ignored ones. `packages` and `secrets` are whether all were looked for.
    /// Otherwise an entry may match nothing, and no notice says so.
    pub fn judge(&self, group: &mut ScanGroup, threshold: BlockingSeverity, packages: bool, secrets: bool) {
        group.active.arrange();
        let mut rules = self.rules(&group.image, false);
        let found = take(&mut group.active.vulnerabilities).into_iter().map(|found| {
            let ignored = rules.find(&found.id, Some(&found.package), &found.source);
            let blocking = ignored.is_none() && found.severity.blocks(threshold);
            Vulnerability { blocking, ignored, ..found }
        });
        (group.active.vulnerabilities, group.ignored.vulnerabilities) =
            found.partition(|found| found.ignored.is_none());
        group.notices.extend(rules.notices(packages));
        let mut rules = self.rules(&group.image, true);
        let found = take(&mut group.active.secrets).into_iter().map(|found| {
            let ignored = rules.find(&found.id, None, found.file.as_deref().unwrap_or_default());
            let blocking = ignored.is_none() && found.severity().blocks(threshold);
            LeakedSecret { blocking, ignored, ..found }
        });
        (group.active.secrets, group.ignored.secrets) = found.partition(|found| found.ignored.is_none());
        group.notices.extend(rules.notices(secrets));
    }

    /// The rules for an image, or for the source if `image` is empty.
    fn rules(&self, image: &str, secret: bool) -> Rules<'_> {
        let all =
            self.files.iter().flat_map(|file| file.entries.iter().map(move |entry| (file, entry, false)));
        let entries = all.filter(|(_, entry, _)| entry.image == image && entry.secret == secret).collect();
        Rules { entries, today: self.today }
    }
}

impl Rules<'_> {
    /// The first entry that matches a finding. All matching entries count as used.
    fn find(&mut self, id: &str, package: Option<&str>, path: &str) -> Option<Ignored> {
        let mut found = None;
        for (file, entry, used) in &mut self.entries {
            // Entries for the source apply below the directory of their file.
            let directory = if entry.image.is_empty() { file.directory.as_str() } else { "" };
            let path = path.strip_prefix(directory);
            let covers = path.is_some_and(|path| entry.covers(id, package, path));
            if covers && !entry.expired(self.today) {
                *used = true;
                found = found.or(Some(*entry));
            }
        }
        let expires = |entry: &Entry| entry.expires.map(|day| day.to_string());
        found.map(|entry| Ignored { reason: entry.reason.clone(), expires: expires(entry) })
    }

    fn notices(&self, complete: bool) -> impl Iterator<Item = String> + '_ {
        self.entries.iter().filter_map(move |(file, entry, used)| {
            let (at, id) = (format!("{}, line {}", file.name, entry.line), &entry.id);
            match entry.expires.filter(|_| entry.expired(self.today)) {
                Some(day) => Some(format!("{at}: the entry for {id} expired on {day} and no longer applies")),
                None if *used || !complete => None,
                None => {
                    Some(format!("{at}: the entry for {id} matches no finding; remove it if it is obsolete"))
                }
            }
        })
    }
}

impl Entry {
    fn expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }

    fn covers(&self, id: &str, package: Option<&str>, path: &str) -> bool {
        self.id == id
            && self.package.as_deref().is_none_or(|wanted| Some(wanted) == package)
            && self.paths.as_ref().is_none_or(|paths| paths.iter().any(|known| known == path))
    }
}

#[cfg(test)]
mod tests;
