//! What a scan found, as Markdown: in the step summary, in the report file and in comments on pull requests.

use std::fmt::Write as _;

use super::markdown::{cell, code, link};
use crate::domain::scan::{LeakedSecret, License, Scan, ScanGroup, ScanKind, Severity, Vulnerability};

/// How many findings of a kind are shown of the source or of an image.
const SHOWN: usize = 100;

/// What a scan found.
pub(crate) fn scan_text(scan: &Scan) -> String {
    let mut text = match scan.kind {
        ScanKind::Source => "## Source security scan\n\n".to_owned(),
        ScanKind::Images => format!("## Image scan ({})\n\n", code(&scan.range)),
    };
    for failure in &scan.failures {
        let _infallible = writeln!(text, "- ❌ {}", cell(failure));
    }
    if !scan.failures.is_empty() {
        text.push_str("\n**The scan is not complete.**\n\n");
    }
    let totals = scan.totals();
    if scan.kind == ScanKind::Source && !scan.range.is_empty() {
        let _infallible = write!(text, "**Scan range:** {} · ", code(&scan.range));
    }
    let _infallible = write!(
        text,
        "**Vulnerabilities:** {} total · {} blocking",
        totals.vulnerability_total, totals.vulnerability_blocking
    );
    if scan.kind == ScanKind::Source {
        let _infallible = write!(text, " · **Licenses:** {} total · 0 blocking", totals.license_total);
    }
    let _infallible = write!(
        text,
        " · **Secrets:** {} total · {} blocking · **Ignored:** {} · **Blocking severity:** {}",
        totals.secret_total,
        totals.secret_blocking,
        totals.ignored,
        code(scan.threshold.word())
    );
    if let Some(database) = &scan.database {
        let _infallible =
            write!(text, " · **Database:** {} ({} h old)", code(&database.updated), database.hours);
    }
    text.push_str("\n\n");
    for group in &scan.groups {
        of_group(&mut text, group);
    }
    let found = totals.vulnerability_total + totals.license_total + totals.secret_total;
    if found == 0 && scan.failures.is_empty() {
        text.push_str("*No findings.*\n\n");
    }
    let notices: Vec<_> = scan.notices().collect();
    for notice in &notices {
        let _infallible = writeln!(text, "- {}", cell(notice));
    }
    text
}

fn of_group(text: &mut String, group: &ScanGroup) {
    let active = &group.judged.active;
    if !group.image.is_empty() {
        let platforms =
            if group.platforms.is_empty() { "no platform".to_owned() } else { group.platforms.join(", ") };
        let _infallible = write!(text, "### {} ({})\n\n", code(&group.image), cell(&platforms));
    }
    let counts = Severity::ALL.map(|severity| {
        let count = active.vulnerabilities.iter().filter(|found| found.severity == severity).count();
        (severity, count)
    });
    if !active.vulnerabilities.is_empty() {
        let names: Vec<_> = counts.iter().map(|(severity, _)| severity.word()).collect();
        let numbers: Vec<_> = counts.iter().map(|(_, count)| count.to_string()).collect();
        let _infallible = write!(
            text,
            "| {} |\n|{}\n| {} |\n\n",
            names.join(" | "),
            "---:|".repeat(5),
            numbers.join(" | ")
        );
    }
    let headers = "| Severity | Package | Installed | Fixed | ID | Source |\n|---|---|---|---|---|---|\n";
    let (new, old): (Vec<_>, Vec<_>) =
        active.vulnerabilities.iter().partition(|found| found.new == Some(true));
    if active.vulnerabilities.iter().any(|found| found.new.is_some()) {
        let _infallible = write!(text, "**New in this pull request:** {}\n\n", new.len());
        table(text, headers, &new, vulnerability);
        let _infallible = write!(text, "**On the base already:** {}\n\n", old.len());
    }
    table(text, headers, &old, vulnerability);
    let headers = "| Severity | Package | License | Classification | Source |\n|---|---|---|---|---|\n";
    table(text, headers, &active.licenses.iter().collect::<Vec<_>>(), license);
    let headers = "| Detector | Status | ID | File | Line | Commit |\n|---|---|---|---|---|---|\n";
    table(text, headers, &active.secrets.iter().collect::<Vec<_>>(), secret);
}

fn table<T>(text: &mut String, headers: &str, findings: &[&T], row: fn(&T) -> String) {
    if findings.is_empty() {
        return;
    }
    text.push_str(headers);
    for finding in findings.iter().take(SHOWN) {
        text.push_str(&row(finding));
        text.push('\n');
    }
    text.push('\n');
    if findings.len() > SHOWN {
        let _infallible =
            write!(text, "*{} of {} are shown; the reports hold all.*\n\n", SHOWN, findings.len());
    }
}

fn vulnerability(found: &Vulnerability) -> String {
    let line = found.line.map_or_else(String::new, |line| format!(":{line}"));
    let mark = if found.blocking { "❌ " } else { "" };
    format!(
        "| {mark}{} | {} | {} | {} | {} | {} |",
        found.severity.word(),
        cell(&found.package),
        cell(&found.installed),
        cell(&found.fixed),
        link(&cell(&found.id), &found.url),
        cell(&format!("{}{line}", found.source))
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
