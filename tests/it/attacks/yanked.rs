//! An image that somebody withdrew.

use serde_json::json;

use super::makefile;
use crate::support::gate::Gate;

#[test]
fn a_yanked_image_is_neither_chosen_nor_taken_nor_promoted() {
    let gate = Gate::new(&makefile());
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.commit("second");
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.event("schedule", json!({}));
    let image = format!("{}/extended-test/shop:0.0.2", gate.registry.path());
    for reason in ["", "two\nlines", &"x".repeat(501)] {
        gate.run(&["yank", &image, "--reason", reason]).ended(64);
    }
    gate.run(&["yank", &format!("{image}9"), "--reason", "x"]).ended(1);
    gate.run(&["verify", &image, "--require", "fast-feedback"]).passed();
    gate.run(&["yank", &image, "--reason", "it loses orders"]).passed();
    let shown = gate.run(&["verify", &image, "--require", "fast-feedback"]);
    let message = format!("{}{}", shown.ended(1).stdout, shown.stderr);
    assert!(message.contains("YANKED by hand\n  because     it loses orders\n"), "{message}");
    assert!(message.contains("it was yanked: it loses orders"), "{message}");

    let run = gate.run(&["extended-test"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    assert!(run.stdout.contains("the version 0.0.2 is skipped"), "{}", run.stdout);
    let run = gate.run(&["extended-test", "--version", "0.0.2"]);
    assert!(run.ended(1).stdout.contains("it was yanked: it loses orders"), "{}", run.stdout);
    let digest = gate.registry.digest("extended-test/shop", "0.0.2").unwrap();
    let images = json!({"shop": digest}).to_string();
    let gate = gate.input("images", &images).input("version", "0.0.2");
    let run = gate.run(&["promote", "prod"]);
    assert!(run.ended(1).stdout.contains("was rejected and does not go on"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("prod/shop", "0.0.2"), None);
}

#[test]
fn an_image_that_was_yanked_in_production_is_not_promoted_there_again() {
    let gate = Gate::new(&makefile());
    gate.run(&["fast-feedback"]).passed();
    gate.run(&["extended-test"]).passed();
    let image = format!("{}/prod/shop:0.0.1", gate.registry.path());
    gate.run(&["yank", &image, "--reason", "it loses orders"]).passed();
    let run = gate.run(&["extended-test"]);
    assert!(
        run.ended(1).stdout.contains("prod/shop:0.0.1 was rejected and does not go on"),
        "{}",
        run.stdout
    );
    assert_eq!(gate.run(&["prod"]).passed().output("version"), "");
}
