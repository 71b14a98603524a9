//! The registry of local runs: references keep working, and the images it keeps are bounded.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::gate::{Gate, MAKEFILE, Run, Running, digest_in};

fn root(gate: &Gate) -> PathBuf {
    gate.home().join(".cache/p2p/registry")
}

/// What the run recorded: the reference of the image, and its digest.
fn image(run: &Run) -> (String, String) {
    let image = &run.passed().report["images"][0];
    (image["reference"].as_str().unwrap().to_owned(), image["digest"].as_str().unwrap().to_owned())
}

/// The address in a reference.
fn address(reference: &str) -> &str {
    reference.split('/').next().unwrap()
}

/// Starts `p2p registry` and waits until it lists what it serves.
fn serving(gate: &Gate, arguments: &[&str]) -> Running {
    let mut registry = gate.start(&[&["registry"], arguments].concat());
    registry.until("it serves", |registry| registry.stdout().contains("Ctrl-C ends the registry"));
    registry
}

fn end(registry: Running) {
    registry.signal(Signal::INT);
    registry.end().passed();
}

#[test]
fn a_reference_that_a_run_printed_works_while_the_registry_is_served() {
    let gate = Gate::local(MAKEFILE);
    let (reference, digest) = image(&gate.run(&["fast-feedback"]));
    let registry = serving(&gate, &[]);
    assert_eq!(gate.run(&["image", "digest", &reference]).passed().stdout.trim(), digest);
    gate.run(&["image", "pull", &reference, "out"]).passed();
    assert!(gate.has("out/version"));
    registry.signal(Signal::TERM);
    let message = registry.end();
    assert!(message.passed().stdout.contains(&format!("  {reference}\n")), "{}", message.stdout);
}

#[test]
fn the_port_stays_and_another_one_can_be_chosen() {
    let gate = Gate::local(MAKEFILE);
    let (first, _) = image(&gate.run(&["fast-feedback"]));
    let (second, _) = image(&gate.run(&["fast-feedback"]));
    assert_eq!(first, second);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    end(serving(&gate, &["--port", &free]));
    let (third, _) = image(&gate.run(&["fast-feedback"]));
    assert_eq!(address(&third), format!("127.0.0.1:{free}"));
}

#[test]
fn a_run_takes_another_port_where_a_program_has_the_one_that_stays() {
    let gate = Gate::local(MAKEFILE);
    let (first, _) = image(&gate.run(&["fast-feedback"]));
    let taken = TcpListener::bind(address(&first)).unwrap();
    let (second, _) = image(&gate.run(&["fast-feedback"]));
    assert_ne!(address(&first), address(&second));
    let refused = gate.run(&["registry"]);
    assert!(refused.ended(69).stderr.contains("the port is in use"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`p2p registry --port`"), "{}", refused.stderr);
    drop(taken);
    let (third, _) = image(&gate.run(&["fast-feedback"]));
    assert_eq!(first, third, "it is asked for again");
}

#[test]
fn runs_use_a_registry_that_is_served_already_and_only_one_is() {
    let gate = Gate::local(MAKEFILE);
    let registry = serving(&gate, &[]);
    let run = gate.run(&["fast-feedback"]);
    let (reference, digest) = image(&run);
    assert!(registry.stdout().contains(&root(&gate).display().to_string()), "{}", registry.stdout());
    assert_eq!(run.report["promoted"][0]["digest"], digest.as_str());
    assert_eq!(gate.run(&["image", "digest", &reference]).passed().stdout.trim(), digest);
    let second = gate.run(&["registry"]);
    assert!(
        second.ended(69).stderr.contains(&format!("already, at {}", address(&reference))),
        "{}",
        second.stderr
    );
    end(registry);
}

/// A build whose image holds a megabyte that differs from version to version.
fn large() -> Gate {
    let fill = "@mkdir -p .rootfs && head -c 1000000 /dev/urandom > .rootfs/data && ";
    Gate::local(&MAKEFILE.replace("@mkdir -p .rootfs && ", fill))
}

fn committed(gate: Gate, number: usize) -> Gate {
    gate.file("number", &number.to_string()).commit("more")
}

#[test]
fn the_oldest_images_go_where_the_limit_is_reached() {
    let mut gate = large();
    let mut versions = Vec::new();
    for number in 0..4 {
        gate = committed(gate, number);
        let run = gate.run(&["fast-feedback", "--cache-limit", "2500KiB"]);
        image(&run);
        versions.push(run.report["plan"]["version"]["version"].as_str().unwrap().to_owned());
        assert_eq!(run.stderr.contains("`cache-limit`"), number >= 2, "{number}: {}", run.stderr);
    }
    let kept =
        |stage: &str, version: &String| digest_in(&root(&gate), &format!("local/{stage}/shop"), version);
    for stage in ["test", "extended-test"] {
        let kept: Vec<_> = versions.iter().map(|version| kept(stage, version).is_some()).collect();
        assert_eq!(kept, [false, false, true, true], "{stage}");
    }
    let size = |path: &std::path::Path| fs::metadata(path).unwrap().len();
    let files = walkdir::WalkDir::new(root(&gate)).into_iter().map(Result::unwrap);
    let largest: Vec<_> =
        files.filter(|file| file.file_type().is_file() && size(file.path()) > 900_000).collect();
    assert_eq!(largest.len(), 4, "the two images that are left, in both stages: {largest:?}");
    // What is left is whole.
    let registry = serving(&gate, &["--cache-limit", "2500KiB"]);
    let reference = registry.stdout().lines().last().unwrap().trim().to_owned();
    gate.run(&["image", "pull", &reference, "out"]).passed();
    end(registry);
}

#[test]
fn nothing_is_removed_while_the_registry_is_served_nor_the_newest_image_ever() {
    let gate = committed(large(), 1);
    let (reference, _) = image(&gate.run(&["fast-feedback", "--cache-limit", "1KiB"]));
    let registry = serving(&gate, &["--cache-limit", "1KiB"]);
    gate.run(&["image", "digest", &reference]).passed();
    let gate = committed(gate, 2);
    image(&gate.run(&["fast-feedback", "--cache-limit", "1KiB"]));
    gate.run(&["image", "digest", &reference]).passed();
    end(registry);
    let registry = serving(&gate, &[]);
    let missing = gate.run(&["image", "digest", &reference]);
    assert!(missing.ended(1).stderr.contains("is not in the registry"), "{}", missing.stderr);
    end(registry);
}
