#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::domain::scan::{ScanFindings, Severity, Vulnerability};

const DAY: &str = "2026-11-28";

fn found(id: &str, package: &str, source: &str) -> Vulnerability {
    Vulnerability {
        id: id.to_owned(),
        package: package.to_owned(),
        installed: "1".to_owned(),
        fixed: "-".to_owned(),
        severity: Severity::High,
        source: source.to_owned(),
        ..Vulnerability::default()
    }
}

fn leaked(id: &str, file: &str) -> LeakedSecret {
    LeakedSecret {
        id: id.to_owned(),
        detector: "AWS".to_owned(),
        status: "verified".to_owned(),
        file: Some(file.to_owned()),
        ..LeakedSecret::default()
    }
}

fn rules(files: &[(&str, &str)]) -> IgnoreRules {
    let files =
        files.iter().map(|(name, text)| IgnoreFile::parse(name, &format!("version: 1\n{text}\n")).unwrap());
    IgnoreRules { files: files.collect(), today: DAY.parse().unwrap() }
}

fn judged(files: &[(&str, &str)], image: &str) -> ScanGroup {
    let active = ScanFindings {
        vulnerabilities: vec![
            found("CVE-1", "a", "go.mod"),
            found("CVE-1", "b", "apps/web/go.mod"),
            found("CVE-2", "b", "apps/web/go.mod"),
        ],
        licenses: Vec::new(),
        secrets: vec![leaked("p2psec_1", "conf.txt"), leaked("p2psec_1", "apps/web/conf.txt")],
    };
    let mut group = ScanGroup { image: image.to_owned(), active, ..ScanGroup::default() };
    rules(files).judge(&mut group, BlockingSeverity::High, true, true);
    group
}

/// The findings that count: `CVE-1 a go.mod`.
fn active(judged: &ScanGroup) -> Vec<String> {
    let vulnerabilities = judged.active.vulnerabilities.iter();
    let vulnerabilities =
        vulnerabilities.map(|found| format!("{} {} {}", found.id, found.package, found.source));
    let secrets =
        judged.active.secrets.iter().map(|found| format!("{} {}", found.id, found.file.as_ref().unwrap()));
    let mut active: Vec<_> = vulnerabilities.chain(secrets).collect();
    active.sort();
    active
}

const ROOT: &str = ".p2p-security-ignore.yaml";
const WEB: &str = "apps/web/.p2p-security-ignore.yaml";
const ALL: [&str; 5] = [
    "CVE-1 a go.mod",
    "CVE-1 b apps/web/go.mod",
    "CVE-2 b apps/web/go.mod",
    "p2psec_1 apps/web/conf.txt",
    "p2psec_1 conf.txt",
];

/// All findings but these.
fn without(ignored: &[usize]) -> Vec<&'static str> {
    ALL.iter()
        .enumerate()
        .filter(|(position, _)| !ignored.contains(position))
        .map(|(_, text)| *text)
        .collect()
}

#[test]
fn a_rule_covers_what_it_names_below_its_file_and_nothing_else() {
    let cases: [(&str, &str, &[usize]); 16] = [
        (ROOT, "source: {vulnerabilities: [{id: ' CVE-1', reason: r}]}", &[]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, package: 'b '}]}", &[]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r}]}", &[0, 1]),
        (WEB, "source: {vulnerabilities: [{id: CVE-1, reason: r}]}", &[1]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, package: b}]}", &[1]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, paths: [go.mod]}]}", &[0]),
        (WEB, "source: {vulnerabilities: [{id: CVE-1, reason: r, paths: [./go.mod]}]}", &[1]),
        (WEB, "source: {vulnerabilities: [{id: CVE-1, reason: r, paths: [x/../go.mod]}]}", &[1]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, paths: ['*']}]}", &[]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, paths: []}]}", &[]),
        (ROOT, "source: {vulnerabilities: [{id: cve-1, reason: r}]}", &[]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, expires: 2026-11-28}]}", &[0, 1]),
        (ROOT, "source: {vulnerabilities: [{id: CVE-1, reason: r, expires: '2026-11-27'}]}", &[]),
        (ROOT, "source: {secrets: [{id: p2psec_1, reason: r, path: conf.txt}]}", &[4]),
        (WEB, "source: {secrets: [{id: p2psec_1, reason: r}]}", &[3]),
        (ROOT, "images: [{name: web, vulnerabilities: [{id: CVE-1, reason: r}]}]", &[]),
    ];
    for (name, text, ignored) in cases {
        let judged = judged(&[(name, text)], "");
        assert_eq!(active(&judged), without(ignored), "{name}: {text}");
        assert!(
            judged
                .ignored
                .vulnerabilities
                .iter()
                .all(|found| !found.blocking && found.ignored.as_ref().unwrap().reason == "r")
        );
        assert!(judged.active.vulnerabilities.iter().all(|found| found.blocking));
    }
    let of_image = "images: [{name: web, vulnerabilities: [{id: CVE-1, reason: r}], secrets: [{id: p2psec_1, reason: r, path: conf.txt}]}]";
    assert_eq!(active(&judged(&[(ROOT, of_image)], "web")), without(&[0, 1, 4]));
    assert_eq!(active(&judged(&[(ROOT, of_image)], "api")), ALL);
    // A file in another directory may name the image too. Its directory does not matter.
    assert_eq!(active(&judged(&[(WEB, of_image)], "web")), without(&[0, 1, 4]));
}

#[test]
fn rules_that_expired_or_cover_nothing_are_said() {
    let text = "source:\n  vulnerabilities:\n    - {id: CVE-1, reason: r, expires: 2026-01-01}\n    - {id: CVE-9, reason: r}\n    - {id: CVE-2, reason: r}";
    assert_eq!(
        judged(&[(ROOT, text)], "").notices,
        [
            ".p2p-security-ignore.yaml, line 4: the entry for CVE-1 expired on 2026-01-01 and no longer applies",
            ".p2p-security-ignore.yaml, line 5: the entry for CVE-9 matches no finding; remove it if it is obsolete",
        ]
    );
    // Only a part of the history was searched.
    let rules = rules(&[(ROOT, "source: {secrets: [{id: p2psec_9, reason: r}]}")]);
    let judge = |complete| {
        let mut group = ScanGroup::default();
        rules.judge(&mut group, BlockingSeverity::Off, true, complete);
        group.notices.len()
    };
    assert_eq!((judge(false), judge(true)), (0, 1));
}

#[test]
fn whatever_is_wrong_with_a_file_is_an_error_with_line_and_column() {
    let entry = |fields: &str| format!("version: 1\nsource:\n  vulnerabilities:\n    - {fields}\n");
    let cases = [
        ("", "1:1 the file must be a map with `version`, `source`, `images`"),
        ("- a\n", "1:1 the file must be a map with `version`, `source`, `images`"),
        ("source: {}\n", "1:1 `version: 1` is missing"),
        ("version: 2\n", "1:10 `version` must be the number 1"),
        ("version: '1'\n", "1:10 `version` must be the number 1"),
        (
            "version: 1\nimage: []\n",
            "2:1 the file has an unknown key \"image\"; the keys are `version`, `source`, `images`",
        ),
        ("version: 1\nsource:\n", "2:7 `source` must be a map with `vulnerabilities`, `secrets`"),
        ("version: 1\nsource: []\n", "2:9 `source` must be a map with `vulnerabilities`, `secrets`"),
        ("version: 1\nimages: {}\n", "2:9 `images` must be a list"),
        ("version: 1\nimages: [{secrets: []}]\n", "2:10 an image lacks `name`"),
        ("version: 1\nversion: 1\n", "2:1 the key \"version\" is there twice"),
        (
            "version: 1\nsource: {secrets: [{id: a, reason: b, package: c}]}\n",
            "2:39 an entry has an unknown key \"package\"; the keys are `id`, `reason`, `path`, `expires`",
        ),
        (
            "version: 1\nimages: [{name: a, vulnerabilities: [{id: a, reason: b, paths: [c]}]}]\n",
            "2:57 an entry has an unknown key \"paths\"; the keys are `id`, `reason`, `package`, `expires`",
        ),
        ("version: 1\n\tsource: {}\n", "1:10 "),
        (&entry("{reason: b}"), "4:7 an entry lacks `id`"),
        (&entry("{id: a}"), "4:7 an entry lacks `reason`"),
        (&entry("text"), "4:7 an entry must be a map with `id`, `reason`, `package`, `expires`, `paths`"),
        (&entry("{id: a, reason: ''}"), "4:23 `reason` must be a text that is not empty"),
        (&entry("{id: a, reason: [b]}"), "4:23 `reason` must be a text that is not empty"),
        (&entry("{id: 12, reason: b}"), "4:12 `id` must be a text: write it in quotes"),
        (&entry("{id: a, reason: true}"), "4:23 `reason` must be a text: write it in quotes"),
        (&entry("{id: a, reason: b, paths: go.mod}"), "4:33 `paths` must be a list"),
        (&entry("{id: a, reason: b, paths: [../go.mod]}"), "4:34 a path must stay below"),
        (&entry("{id: a, reason: b, paths: [a/../../go.mod]}"), "4:34 a path must stay below"),
        (&entry("{id: a, reason: b, paths: [/go.mod]}"), "4:34 a path must stay below"),
        (&entry("{id: a, reason: b, expires: tomorrow}"), "4:35 `expires` must be a day of the calendar"),
        (&entry("{id: a, reason: b, expires: 2026-02-30}"), "4:35 `expires` must be a day of the calendar"),
        (&entry("{id: a, reason: b, expires: 20260203}"), "4:35 `expires` must be a day of the calendar"),
        (&entry("{id: a, reason: b, expires: }"), "4:33 `expires` must be a day of the calendar"),
        (&entry("{id: a, reason: b, expires: 2026-2-3}"), "4:35 `expires` must be a day of the calendar"),
        (
            &entry("{id: a, reason: b, expires: 2026-11-28T00:00:00Z}"),
            "4:35 `expires` must be a day of the calendar",
        ),
    ];
    for (text, expected) in cases {
        let error = IgnoreFile::parse("web/.p2p-security-ignore.yaml", text).unwrap_err();
        let (place, problem) = expected.split_once(' ').unwrap();
        let (line, column) = place.split_once(':').unwrap();
        let expected = format!("web/.p2p-security-ignore.yaml, line {line}, column {column}: {problem}");
        assert!(error.what.starts_with(&expected), "{text:?}: {error}");
    }
}

proptest! {
    /// An ignore file neither adds nor loses findings, and ignored findings never block.
    #[test]
    fn every_finding_is_active_or_ignored(
        ids in proptest::collection::vec(0_u8..6, 0..40),
        ignored in proptest::collection::vec(0_u8..6, 0..6),
        threshold in 0_usize..5,
    ) {
        let entries: Vec<_> = ignored.iter().map(|id| format!("{{id: CVE-{id}, reason: r}}")).collect();
        let text = format!("source: {{vulnerabilities: [{}]}}", entries.join(", "));
        let findings = ids.iter().enumerate().map(|(at, id)| found(&format!("CVE-{id}"), &format!("p{at}"), "go.mod"));
        let threshold = [BlockingSeverity::Off, BlockingSeverity::Low, BlockingSeverity::Medium, BlockingSeverity::High,
            BlockingSeverity::Critical][threshold];
        let findings = ScanFindings { vulnerabilities: findings.collect(), ..ScanFindings::default() };
        let mut judged = ScanGroup { active: findings, ..ScanGroup::default() };
        rules(&[(ROOT, &text)]).judge(&mut judged, threshold, true, true);
        prop_assert_eq!(judged.active.vulnerabilities.len() + judged.ignored.vulnerabilities.len(), ids.len());
        let is_named = |found: &Vulnerability| ignored.iter().any(|id| found.id == format!("CVE-{id}"));
        for found in &judged.active.vulnerabilities {
            prop_assert!(!is_named(found));
            prop_assert_eq!(found.blocking, Severity::High.blocks(threshold));
        }
        for found in &judged.ignored.vulnerabilities {
            prop_assert!(is_named(found) && !found.blocking);
        }
    }

    /// Any text becomes rules, or an error with a place.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9:{}\\[\\], \n'#&*!-]{0,120}") {
        if let Err(error) = IgnoreFile::parse(ROOT, &format!("version: 1\n{text}")) {
            prop_assert!(error.what.starts_with(".p2p-security-ignore.yaml, line "));
        }
    }

    /// An id derives only from the secret and does not reveal it.
    #[test]
    fn ids_of_secrets_are_hashes(secret in "[A-Za-z0-9/+]{8,60}", other in "[A-Za-z0-9/+]{8,60}") {
        let id = LeakedSecret::id_of(&secret);
        prop_assert_eq!(&id, &LeakedSecret::id_of(&secret));
        prop_assert_eq!(id == LeakedSecret::id_of(&other), secret == other);
        prop_assert!(id.starts_with("p2psec_") && id.len() == 23 && !id.contains(&secret));
    }
}
