//! What a scan found, as Markdown: in the step summary, in the report file and in comments on pull requests.

use super::markdown::{cell, code, link};
use crate::domain::scan::{LeakedSecret, License, Scan, ScanGroup, ScanKind, Severity, Vulnerability};

/// How many findings of a kind are shown of the source or of an image.
const SHOWN: usize = 100;

pub(crate) fn scan_text(scan: &Scan) -> String {
    let (totals, source) = (scan.totals(), scan.kind == ScanKind::Source);
    let title = if source {
        "Source security scan".to_owned()
    } else {
        format!("Image scan ({})", code(&scan.range))
    };
    let mut lines = vec![format!("## {title}\n")];
    lines.extend(scan.failures.iter().map(|failure| format!("- ❌ {}", cell(&failure.sentence()))));
    if !scan.failures.is_empty() {
        lines.push("\n**The scan is not complete.**\n".to_owned());
    }
    let count =
        |of: &str, total: usize, blocking: usize| format!("**{of}:** {total} total · {blocking} blocking");
    let database = scan.database.as_ref();
    let facts = [
        (source && !scan.range.is_empty()).then(|| format!("**Scan range:** {}", code(&scan.range))),
        Some(count("Vulnerabilities", totals.vulnerability_total, totals.vulnerability_blocking)),
        source.then(|| count("Licenses", totals.license_total, 0)),
        Some(count("Secrets", totals.secret_total, totals.secret_blocking)),
        Some(format!("**Ignored:** {}", totals.ignored)),
        Some(format!("**Blocking severity:** {}", code(scan.threshold.word()))),
        database.map(|known| format!("**Database:** {} ({} h old)", code(&known.updated), known.hours)),
    ];
    lines.push(facts.into_iter().flatten().collect::<Vec<_>>().join(" · ") + "\n");
    for group in &scan.groups {
        of_group(&mut lines, group);
    }
    let found = totals.vulnerability_total + totals.license_total + totals.secret_total;
    if found == 0 && scan.failures.is_empty() {
        lines.push("*No findings.*\n".to_owned());
    }
    lines.extend(scan.notices().map(|notice| format!("- {}", cell(notice))));
    lines.join("\n") + "\n"
}

fn of_group(lines: &mut Vec<String>, group: &ScanGroup) {
    let active = &group.active;
    if !group.image.is_empty() {
        lines.push(format!("### {} ({})\n", code(&group.image), cell(&group.platforms.join(", "))));
    }
    if !active.vulnerabilities.is_empty() {
        let names = Severity::ALL.map(Severity::word).join(" | ");
        let counts = Severity::ALL.map(|severity| {
            active.vulnerabilities.iter().filter(|found| found.severity == severity).count().to_string()
        });
        lines.push(format!("| {names} |\n|{}\n| {} |\n", "---:|".repeat(5), counts.join(" | ")));
    }
    let headers = "| Severity | Package | Installed | Fixed | ID | Source |\n|---|---|---|---|---|---|";
    let (new, old): (Vec<_>, Vec<_>) =
        active.vulnerabilities.iter().partition(|found| found.new == Some(true));
    if active.vulnerabilities.iter().any(|found| found.new.is_some()) {
        lines.push(format!("**New in this pull request:** {}\n", new.len()));
        table(lines, headers, new.into_iter(), vulnerability);
        lines.push(format!("**On the base already:** {}\n", old.len()));
    }
    table(lines, headers, old.into_iter(), vulnerability);
    let headers = "| Severity | Package | License | Classification | Source |\n|---|---|---|---|---|";
    table(lines, headers, active.licenses.iter(), license);
    let headers = "| Detector | Status | ID | File | Line | Commit |\n|---|---|---|---|---|---|";
    table(lines, headers, active.secrets.iter(), secret);
}

fn table<T>(
    lines: &mut Vec<String>,
    headers: &str,
    findings: impl ExactSizeIterator<Item = T>,
    row: fn(T) -> String,
) {
    let all = findings.len();
    if all == 0 {
        return;
    }
    lines.push(headers.to_owned());
    lines.extend(findings.take(SHOWN).map(row));
    lines.push(String::new());
    if all > SHOWN {
        lines.push(format!("*{SHOWN} of {all} are shown; the reports hold all.*\n"));
    }
}

fn vulnerability(found: &Vulnerability) -> String {
    let mark = if found.blocking { "❌ " } else { "" };
    format!(
        "| {mark}{} | {} | {} | {} | {} | {} |",
        found.severity.word(),
        cell(&found.package),
        cell(&found.installed),
        cell(&found.fixed),
        link(&cell(&found.id), &found.url),
        cell(&found.place())
    )
}

fn license(found: &License) -> String {
    let License { package, license, classification, severity, source, .. } = found;
    let [package, license, kind, source] = [package, license, classification, source].map(|text| cell(text));
    format!("| {} | {package} | {license} | {kind} | {source} |", severity.word())
}

fn secret(found: &LeakedSecret) -> String {
    let mark = if found.blocking { "❌ " } else { "" };
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "—".to_owned(), cell);
    let commit = found.commit.as_ref().map(|commit| commit.chars().take(12).collect::<String>());
    let place = match (&commit, &found.url) {
        (Some(commit), Some(url)) => link(&cell(commit), url),
        _ => text(&commit),
    };
    format!(
        "| {mark}{} | {} | {} | {} | {} | {place} |",
        cell(&found.detector),
        cell(&found.status),
        code(&found.id),
        text(&found.file),
        found.line.map_or_else(|| "—".to_owned(), |line| line.to_string())
    )
}
