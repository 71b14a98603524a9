//! Separates findings that an ignore file covers from the others.

use jiff::civil::Date;

use super::findings::{LeakedSecret, ScanFindings, Vulnerability};
use super::ignore::{Entries, Entry, IgnoreFile};
use crate::inputs::BlockingSeverity;

/// The ignore files that count, and the day.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    files: Vec<IgnoreFile>,
    today: Date,
}

/// What the findings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The source of the repository.
    Source,
    /// The image of this name.
    Image(&'a str),
}

/// An ignored finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored<T> {
    pub finding: T,
    /// Why the team ignores it.
    pub reason: String,
    /// The last day on which it is ignored.
    pub expires: Option<Date>,
}

/// The findings after ignore files and policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Findings that count.
    pub active: ScanFindings,
    /// Ignored vulnerabilities.
    pub vulnerabilities: Vec<Ignored<Vulnerability>>,
    /// Ignored secrets.
    pub secrets: Vec<Ignored<LeakedSecret>>,
    /// Notices about entries that have expired or match nothing.
    pub notices: Vec<String>,
}

/// The entries for one kind of finding in one scope, with the ones that matched.
struct Rules<'a> {
    entries: Vec<(&'a IgnoreFile, &'a Entry, bool)>,
    today: Date,
    scope: Scope<'a>,
}

impl IgnoreRules {
    /// The rules from these files on this day.
    pub fn new(files: Vec<IgnoreFile>, today: Date) -> Self {
        Self { files, today }
    }

    /// Whether there is an ignore file at all.
    pub fn exist(&self) -> bool {
        !self.files.is_empty()
    }

    /// Separates findings that count from ignored ones. `complete` is whether everything was scanned. Otherwise an
    /// entry for a secret may match nothing, and no notice says so.
    pub fn judge(
        &self,
        mut findings: ScanFindings,
        scope: Scope<'_>,
        threshold: BlockingSeverity,
        complete: bool,
    ) -> Judged {
        findings.arrange(threshold);
        let mut of_vulnerabilities = self.rules(scope, |entries| &entries.vulnerabilities);
        let mut of_secrets = self.rules(scope, |entries| &entries.secrets);
        let mut judged = Judged::default();
        judged.active.licenses = findings.licenses;
        for finding in findings.vulnerabilities {
            let Vulnerability { id, package, source, .. } = &finding;
            match of_vulnerabilities.find(id, Some(package), source) {
                None => judged.active.vulnerabilities.push(finding),
                Some(entry) => {
                    judged.vulnerabilities.push(entry.ignored(Vulnerability { blocking: false, ..finding }));
                }
            }
        }
        for finding in findings.secrets {
            let path = finding.file.as_deref().unwrap_or_default();
            match of_secrets.find(&finding.id, None, path) {
                None => judged.active.secrets.push(finding),
                Some(entry) => {
                    judged.secrets.push(entry.ignored(LeakedSecret { blocking: false, ..finding }));
                }
            }
        }
        judged.notices.extend(of_vulnerabilities.notices(true));
        judged.notices.extend(of_secrets.notices(complete));
        judged
    }

    fn rules<'a>(&'a self, scope: Scope<'a>, kind: impl Fn(&'a Entries) -> &'a [Entry]) -> Rules<'a> {
        let mut rules = Vec::new();
        for file in &self.files {
            let entries: Vec<&Entries> = match scope {
                Scope::Source => vec![&file.source],
                Scope::Image(image) => {
                    file.images.iter().filter(|(name, _)| name == image).map(|(_, entries)| entries).collect()
                }
            };
            rules.extend(entries.into_iter().flat_map(&kind).map(|entry| (file, entry, false)));
        }
        Rules { entries: rules, today: self.today, scope }
    }
}

impl<'a> Rules<'a> {
    /// The first entry that matches a finding. All matching entries count as used.
    fn find(&mut self, id: &str, package: Option<&str>, path: &str) -> Option<&'a Entry> {
        let mut found = None;
        for (file, entry, used) in &mut self.entries {
            // Entries for the source apply below the directory of their file.
            let path = match self.scope {
                Scope::Source => path.strip_prefix(&file.directory),
                Scope::Image(_) => Some(path),
            };
            let covers = path.is_some_and(|path| entry.covers(id, package, path));
            if covers && !entry.expired(self.today) {
                *used = true;
                found = found.or(Some(*entry));
            }
        }
        found
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

    fn ignored<T>(&self, finding: T) -> Ignored<T> {
        Ignored { finding, reason: self.reason.clone(), expires: self.expires }
    }
}

#[cfg(test)]
mod tests;
