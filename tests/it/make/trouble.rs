//! Makefiles that are broken, huge or never end, and machines without make.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use ::sys::error::Help;
use ::sys::process::ProcessError;
use p2p::edges::make::{MakeError, ProbeRequest, probe};

use super::{Corpus, at, defined};

#[tokio::test]
async fn a_broken_makefile_is_told_in_makes_own_words_with_the_place() {
    let cases = [
        ("p2p-build:\n    echo hi\n", "missing separator", Some(at("Makefile", 2))),
        ("ifdef X\n", "missing 'endif'", Some(at("Makefile", 2))),
        ("define X\n", "missing 'endef'", Some(at("Makefile", 1))),
        ("\n$(error the team says no)\n", "the team says no", Some(at("Makefile", 2))),
        ("include nope.mk\n", "nope.mk: No such file or directory", Some(at("Makefile", 1))),
        ("a: ; x\na:: ; y\n", "has both : and :: entries", Some(at("Makefile", 2))),
        ("include sub.mk\n", "sub.mk:2: *** missing separator", Some(at("sub.mk", 2))),
        ("include x.mk\nx.mk:\n\t@false\n", "x.mk", Some(at("Makefile", 3))),
        ("include x.mk\nx.mk:\n\t@false\n%: ; true\n", "x.mk", Some(at("Makefile", 3))),
        ("$(shell echo noise: 7 >&2)\nA B\n", "missing separator", Some(at("Makefile", 2))),
    ];
    for (text, message, place) in cases {
        let corpus = Corpus::new(text).file("sub.mk", "a:\nb c\n").env("LC_ALL", "de_DE.UTF-8");
        let (broken, line) = corpus.broken().await;
        assert!(broken.starts_with("the Makefile is broken: "), "{broken}");
        assert!(broken.contains(message), "{text:?}: {broken}");
        assert!(!broken.contains("noise"), "{broken}");
        assert_eq!(line, place, "{text:?}: {broken}");
    }
}

#[tokio::test]
async fn a_broken_prerequisite_chain_is_no_broken_makefile() {
    let corpus = Corpus::new("p2p-build: missing-file\n\techo\n");
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 2)]));
}

#[tokio::test]
async fn no_makefile_no_directory_no_make() {
    let corpus = Corpus::empty();
    assert!(matches!(corpus.ask(&[], &[]).await, Err(MakeError::NoMakefile { .. })));

    let mut corpus = Corpus::new("p2p-build: ; echo\n").env("PATH", "/nonexistent");
    let error = corpus.ask(&[], &[]).await.unwrap_err();
    assert!(matches!(error, MakeError::Program(ProcessError::Missing { .. })), "{error:?}");
    assert!(error.help().unwrap().contains("install"));

    corpus.directory = "/nonexistent/dir".into();
    assert!(matches!(corpus.ask(&[], &[]).await, Err(MakeError::NoDirectory { .. })));
}

#[tokio::test]
async fn another_make_than_gnus_is_an_error_that_says_so() {
    let corpus = Corpus::new("p2p-build: ; echo\n").file("bin/make", "#!/bin/sh\necho hello\n");
    let make = corpus.directory.join("bin/make");
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    let corpus = {
        let path = make.parent().unwrap().to_str().unwrap().to_owned();
        corpus.env("PATH", &format!("{path}:/usr/bin:/bin"))
    };
    assert!(matches!(corpus.ask(&[], &[]).await, Err(MakeError::NotUnderstood { .. })));
}

#[tokio::test]
async fn a_makefile_that_hangs_ends_at_the_time_limit_with_all_it_started() {
    let corpus = Corpus::new("X := $(shell echo $$$$ > pid; exec sleep 600)\np2p-build: ; echo\n");
    let started = Instant::now();
    let answer = probe(ProbeRequest {
        directory: &corpus.directory,
        env: &corpus.env,
        scratch: corpus.root.path(),
        targets: &[],
        variables: &[],
        given: &[],
        limit: Duration::from_millis(1500),
    });
    let error = answer.await.unwrap_err();
    assert!(matches!(error, MakeError::Program(ProcessError::TimedOut { .. })), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let pid = fs::read_to_string(corpus.directory.join("pid")).unwrap();
    let ended = || {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim()));
        status.is_err() || status.is_ok_and(|text| text.contains("State:\tZ"))
    };
    let until = Instant::now() + Duration::from_secs(10);
    while !ended() && Instant::now() < until {
        tokio::task::yield_now().await;
    }
    assert!(ended(), "the shell of the Makefile still runs");
}

#[tokio::test]
async fn what_a_makefile_left_in_the_background_does_not_keep_us() {
    let corpus = Corpus::new("X := $(shell (sleep 20 >/dev/null) & echo x)\np2p-build: ; echo\n");
    let started = Instant::now();
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 2)]));
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_huge_makefile_is_read_in_seconds() {
    use std::fmt::Write;
    let mut text = String::new();
    for n in 0..20_000 {
        writeln!(text, "t{n}: t{}\n\t@echo {n}\nV{n} := {n}", n + 1).unwrap();
    }
    text.push_str("p2p-build: t19990\n");
    let corpus = Corpus::new(text);
    let started = Instant::now();
    let state = corpus.read().await.target("p2p-build").state;
    assert_eq!(state, defined(&[at("Makefile", 19_990 * 3 + 2)]));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_long_chain_of_prerequisites_is_followed_to_its_end() {
    use std::fmt::Write;
    let mut text = String::from("p2p-build: t0\n");
    for n in 0..20_000 {
        writeln!(text, "t{n}: t{}", n + 1).unwrap();
    }
    text.push_str("t20000: ; echo\n");
    let state = Corpus::new(text).read().await.target("p2p-build").state;
    assert_eq!(state, defined(&[at("Makefile", 20_002)]));
}
