//! Reports of tests that targets write (`reports/`, made by the frameworks themselves), and where a run shows them.

use std::fmt::Write as _;
use std::fs;
use std::io::BufReader;
use std::path::Path;

use p2p::domain::results::{TestResults, Unreadable};
use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};

/// The files of the repositories in which the reports were made.
const FILES: [&str; 6] = [
    "tests/test_cart.py",
    "src/lib.rs",
    "test/cart.test.js",
    "test/cart.js",
    "cart/cart_test.go",
    "shop/CartTest.java",
];

fn known(file: &str) -> Option<String> {
    let file = file.strip_prefix("/home/runner/work/shop/shop/").unwrap_or(file).trim_start_matches("./");
    FILES.contains(&file).then(|| file.to_owned())
}

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/reports").join(name)).unwrap()
}

fn read(text: &str) -> Result<TestResults, Unreadable> {
    TestResults::read(&mut BufReader::new(text.as_bytes()))
}

/// Counts, and a line for each test that failed.
fn told(name: &str) -> String {
    let mut results = read(&fixture(name)).unwrap();
    results.locate(known);
    let mut text = results.to_string();
    for (mark, tests) in [("✗", &results.failures), ("flaky", &results.flaky_tests)] {
        for test in tests {
            let place = test.place().map(|place| format!(" ({}:{})", place.file, place.line));
            let _ = write!(text, "\n{mark} {}{}", test.headline(), place.unwrap_or_default());
        }
    }
    text
}

#[test]
fn reports_of_real_frameworks_are_read() {
    for (name, expected) in [
        (
            "pytest.xml",
            "4 run: 1 passed, 2 failed, 1 skipped\n\
             ✗ tests.test_cart › test_total: AssertionError: the <total> & the rest (tests/test_cart.py:13)\n\
             ✗ tests.test_cart › test_checkout: failed on setup with \"ConnectionError: database is down\" \
             (tests/test_cart.py:23)",
        ),
        (
            "nextest.xml",
            "3 run: 1 passed, 1 failed, 1 flaky\n\
             ✗ shop › tests::totals: thread 'tests::totals' (6691) panicked at src/lib.rs:7:9 (src/lib.rs:7)\n\
             flaky shop › tests::connects: thread 'tests::connects' (6688) panicked at src/lib.rs:14:13 \
             (src/lib.rs:14)",
        ),
        (
            "jest.xml",
            "3 run: 1 passed, 1 failed, 1 skipped\n\
             ✗ cart adds <up> & more: Error: expect(received).toBe(expected) // Object.is equality \
             (test/cart.test.js:5)",
        ),
        (
            "vitest.xml",
            "4 run: 2 passed, 1 failed, 1 skipped\n\
             ✗ test/cart.test.js › adds up: expected 3 to be 4 // Object.is equality (test/cart.test.js:6)",
        ),
        ("mocha.xml", "3 run: 1 passed, 1 failed, 1 skipped\n✗ cart adds up: 3 == 4 (test/cart.js:5)"),
        (
            "gotestsum.xml",
            "3 run: 1 passed, 1 failed, 1 skipped\n\
             ✗ example.com/shop/cart › TestTotal: cart_test.go:9: total is 3, not 4 (cart/cart_test.go:9)",
        ),
        (
            "surefire.xml",
            "4 run: 1 passed, 1 failed, 1 flaky, 1 skipped\n\
             ✗ shop.CartTest › addsUp: the total expected:<4> but was:<3> (shop/CartTest.java:13)\n\
             flaky shop.CartTest › connects: connection refused (shop/CartTest.java:16)",
        ),
    ] {
        assert_eq!(told(name), expected, "{name}");
    }
    for name in ["k6.json", "k6-export.json"] {
        assert_eq!(
            told(name),
            "5 run: 3 passed, 2 failed\n\
             ✗ k6 thresholds › http_req_duration: p(95)<500: p(95) is 812.4\n\
             ✗ k6 checks: checkout › order is taken: 4 of 100 failed",
            "{name}"
        );
    }
}

#[test]
fn messages_stacks_and_slowest_tests_are_kept() {
    let results = read(&fixture("vitest.xml")).unwrap();
    let test = &results.failures[0];
    assert_eq!(test.details[0], "AssertionError: expected 3 to be 4 // Object.is equality");
    assert!(test.details.iter().any(|line| line == " ❯ test/cart.test.js:6:25"), "{:?}", test.details);
    assert_eq!(results.slowest[0].name, "test/cart.test.js › adds up");
    assert!(results.slowest[0].seconds > results.slowest[1].seconds);
    let results = read(&fixture("nextest.xml")).unwrap();
    assert!(
        !results.failures[0].details.iter().any(|line| line.contains("running 1 test")),
        "what it printed"
    );
}

#[test]
fn a_test_that_fails_and_then_passes_is_flaky() {
    let case =
        |name: &str, inside: &str| format!("<testcase classname='a' name='{name}'>{inside}</testcase>");
    let failed = "<failure message='first'/>";
    let text =
        [case("one", failed), case("one", failed), case("one", ""), case("two", ""), case("two", failed)];
    let results = read(&format!("<testsuite>{}</testsuite>", text.concat())).unwrap();
    assert_eq!(results.to_string(), "3 run: 1 passed, 1 failed, 1 flaky");
    assert_eq!(
        (results.flaky_tests[0].title(), results.failures[0].title()),
        ("a › one".into(), "a › two".into())
    );
    // Failures of several kinds: the worst one counts.
    let both = case("one", "<flakyFailure/><error message='gone'/><rerunFailure message='again'/>");
    let results = read(&format!("<testsuites><testsuite>{both}</testsuite></testsuites>")).unwrap();
    assert_eq!((results.failed, results.failures[0].message.as_str()), (1, "gone"));
    // A suite that could not begin.
    let results = read("<testsuite name='cart'><error message='no database'/></testsuite>").unwrap();
    assert_eq!(results.failures[0].headline(), "cart: no database");
}

#[test]
fn the_same_test_of_another_suite_is_no_second_try() {
    let case = r#"<testcase classname="login.spec.ts" name="works" time="2e19">"#;
    let report = format!(
        r#"<testsuites><testsuite name="s" hostname="chromium">{case}<failure message="boom"/></testcase></testsuite>
        <testsuite name="s" hostname="firefox">{case}</testcase></testsuite></testsuites>"#
    );
    let results = read(&report).unwrap();
    assert_eq!((results.failed, results.passed, results.flaky), (1, 1, 0));
    assert_eq!(results.failures[0].headline(), "login.spec.ts › works: boom");
    assert!(results.seconds.is_finite() && results.seconds < 1e9);
}

#[test]
fn titles_name_the_test_in_one_line() {
    let title = |suite: &str, name: &str| {
        let report = format!(
            r#"<testsuite><testcase classname="{suite}" name="{name}"><failure message="m"/></testcase></testsuite>"#
        );
        read(&report).unwrap().failures[0].title()
    };
    assert_eq!(title("com.acme.login.LoginTest", "login"), "com.acme.login.LoginTest › login");
    assert_eq!(title("c", "second"), "c › second");
    assert_eq!(title("cart adds", "cart adds two"), "cart adds two");
    assert_eq!(title("a", "b&#10;::error::c"), "a › b ::error::c");
}

#[test]
fn what_is_no_report_or_a_broken_one_is_not_counted() {
    for text in [
        "",
        "  ",
        "<checkstyle/>",
        "<html><testsuite/></html>",
        "plain",
        "{}",
        "{\"metrics\": {}}",
        "{",
        "[]",
        "\0\u{1}",
        "<!DOCTYPE html><html/>",
    ] {
        assert_eq!(read(text), Err(Unreadable::NoReport), "{text}");
    }
    for text in [
        "<testsuite>",
        "<testsuite><testcase name='a'>",
        "<testsuite><testcase></testsuite>",
        "<testsuite><testcase name='a'",
        &format!("<testsuite>{}", "<a>".repeat(100_000)),
    ] {
        assert!(matches!(read(text), Err(Unreadable::Broken(_))), "{text:.80}");
    }
    // Unknown entities stay as they are; nothing is looked up.
    let odd = "<!DOCTYPE x [<!ENTITY file SYSTEM '/etc/passwd'><!ENTITY x 'aaaa'>]><testsuite>\
               <testcase name='&file; &quot;a&quot; & &#66;&unknown'><failure>&x; &#x41; &lt; &#0; a & b</failure></testcase></testsuite>";
    let results = read(odd).unwrap();
    assert_eq!(results.failures[0].name, "&file; \"a\" & B&unknown");
    assert!(results.failures[0].message.starts_with("&x; A < "), "{}", results.failures[0].message);
    for number in ["NaN", "inf", "-5", "1e400", "x"] {
        let text = format!("<testsuite><testcase name='a' time='{number}'/></testsuite>");
        assert!(read(&text).unwrap().seconds.abs() < f64::EPSILON, "{number}");
    }
    let seconds = read("<testsuite><testcase name='a' time='1,234.5'/></testsuite>").unwrap().seconds;
    assert!((seconds - 1234.5).abs() < f64::EPSILON);
}

#[test]
fn a_report_in_utf_16_is_read() {
    let text = "<testsuite><testcase name='größer'><failure>no</failure></testcase></testsuite>";
    for mark in ["\u{feff}", "", "\n "] {
        let text = format!("{mark}{text}");
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
            let results = TestResults::read(&mut bytes.as_slice()).unwrap();
            assert_eq!((results.failed, results.failures[0].name.as_str()), (1, "größer"));
        }
    }
    // One byte too many, half a character, and text that begins like UTF-16 once it is decoded.
    assert_eq!(TestResults::read(&mut &b"\xff\xfe<"[..]), Err(Unreadable::NoReport));
    let double = |text: &[u8]| text.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<_>>();
    let report = b"<testsuite><testcase name='a'/></testsuite>";
    assert!(TestResults::read(&mut double(report).as_slice()).is_ok());
    assert!(TestResults::read(&mut double(&double(report)).as_slice()).is_err());
}

#[test]
fn a_hundred_thousand_failures_stay_small() {
    let mut text = String::from("<testsuite>");
    for number in 0..100_000 {
        let _ = write!(
            text,
            "<testcase name='{number}' time='{number}'><failure message='{number:080}'>at a\n</failure></testcase>"
        );
    }
    text.push_str("</testsuite>");
    let results = read(&text).unwrap();
    assert_eq!((results.total, results.failed), (100_000, 100_000));
    assert_eq!((results.failures.len(), results.slowest.len()), (50, 5));
    assert_eq!((results.failures[0].name.as_str(), results.slowest[0].name.as_str()), ("0", "99999"));
}

/// The Makefile with another recipe for functional; `write` puts a fixture where the recipe copies it from.
fn gate(recipe: &str) -> Gate {
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-nft p2p-integration:");
    Gate::new(&format!("{makefile}p2p-functional:\n{recipe}"))
}

fn step<'a>(run: &'a Run, name: &str) -> &'a Value {
    let steps = run.report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap()
}

const HOSTILE: &str = "<testsuites><testsuite name='cart'>\
    <testcase classname='cart' name='&lt;img src=x&gt; | `x` @team &#x1b;[31m ::error::owned' time='2.5' file='src/cart.py'>\
    <failure message='::add-mask::x s3cr3t-value'>first\n::stop-commands::x\n```\n&lt;/details&gt;&lt;script&gt;\n\
    src/cart.py:2: AssertionError\n##[error]x</failure></testcase>\
    <testcase classname='cart' name='other' time='0.5'><flakyFailure message='once'>src/cart.py:1: late</flakyFailure>\
    </testcase></testsuite></testsuites>";

#[test]
fn a_failed_test_is_the_cause_and_is_shown_everywhere() {
    let gate =
        gate("\t@mkdir -p out && cp hostile.txt out/junit.xml\n\t@echo the tests are over\n\t@exit 3\n")
            .file("hostile.txt", HOSTILE)
            .file("src/cart.py", "a\nb\n")
            .file("junit-of-yesterday.xml", &fixture("pytest.xml"))
            .file("reports/TEST-old.xml", &fixture("surefire.xml"))
            .commit("tests")
            .input("env-vars", "TOKEN=s3cr3t-value\n");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let shown = run.stdout.lines().filter(|line| !line.starts_with("::add-mask::"));
    assert!(!shown.clone().any(|line| line.contains("s3cr3t-value")), "{}", run.stdout);
    let step = step(&run, "p2p-functional");
    let tests = &step["tests"];
    for (field, number) in [("total", 2), ("passed", 0), ("failed", 1), ("flaky", 1), ("skipped", 0)] {
        assert_eq!(tests[field], json!(number), "{field}: {tests}");
    }
    assert_eq!(tests["reports"], json!(["out/junit.xml"]), "what was there before does not count");
    let failure = &tests["failures"][0];
    assert_eq!((&failure["file"], &failure["line"]), (&json!("src/cart.py"), &json!(2)));
    assert!(failure["message"].as_str().unwrap().ends_with(" ***"), "{failure}");
    let cause = &step["failure"]["cause"];
    assert_eq!(
        (&cause["rule"], &cause["file"], &cause["line"]),
        (&json!("test-report"), &json!("src/cart.py"), &json!(2))
    );
    assert_eq!(step["failure"]["what"], "make ended with exit code 2", "the target's own result");

    let errors: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("file=src/cart.py,line=2"), "{errors:?}");
    let flaky = "::warning title=cart › other passed on retry,file=src/cart.py,line=1::once";
    assert!(run.stdout.lines().any(|line| line.starts_with(flaky)), "{}", run.stdout);
    // No line of a report is a command.
    let own =
        ["::error ", "::warning ", "::group::", "::endgroup::", "::add-mask::s3cr3t", "::stop-commands::"];
    for line in run.stdout.lines().filter(|line| line.contains("::stop-commands::x") || line.contains("##["))
    {
        assert!(!own.iter().skip(5).any(|own| line.trim_start().starts_with(own)), "{line}");
        assert!(!line.contains("##[error]x"), "{line}");
    }
    assert!(run.stdout.contains("tests:      2 run: 0 passed, 1 failed, 1 flaky"), "{}", run.stdout);

    let summary = run.summary();
    assert!(
        summary.contains("### Tests of p2p-functional: 2 run: 0 passed, 1 failed, 1 flaky in 3.0 s"),
        "{summary}"
    );
    assert!(
        summary.contains("````text\n: :add-mask::x ***\nfirst\n: :stop-commands::x\n```\n"),
        "a fence that nothing ends: {summary}"
    );
    assert!(!summary.contains("s3cr3t-value") && !summary.contains("**<img"), "{summary}");
    assert!(summary.contains("| cart › \\&lt;") || summary.contains("&lt;img src=x&gt; \\|"), "{summary}");
}

#[test]
fn no_report_changes_the_result_of_its_target() {
    // Failed tests of a target that passed: warnings.
    let gate = gate("\t@cp report.txt TEST-a.xml\n")
        .file("report.txt", HOSTILE)
        .file("src/cart.py", "a\nb\n")
        .commit("t");
    let run = gate.run(&["fast-feedback"]);
    assert_eq!(step(&run, "p2p-functional")["status"], "passed");
    run.passed();
    assert_eq!(step(&run, "p2p-functional")["tests"]["failed"], 1);
    assert!(run.stdout.contains("::warning title=cart › <img"), "{}", run.stdout);
    // All tests passed, and make failed.
    let green = "<testsuite><testcase name='a'/></testsuite>";
    let gate =
        self::gate("\t@cp report.txt junit.xml; echo over; exit 1\n").file("report.txt", green).commit("t");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    assert_eq!(step(&run, "p2p-functional")["status"], "failed");
    assert_eq!(step(&run, "p2p-functional")["failure"]["cause"]["rule"], "last-lines");
}

#[test]
fn broken_huge_and_foreign_reports_are_notices() {
    let recipe = "\t@mkdir -p test-results; cd test-results; truncate -s 1G huge.xml; ln -s /etc/passwd link.xml; \
                  echo '<testsuite><testcase>' > broken.xml; echo '<checkstyle/>' > style.xml; mkfifo pipe.xml; \
                  echo '<testsuite><testcase name=\"a\"/></testsuite>' > good.xml\n";
    let run = gate(recipe).run(&["fast-feedback"]);
    run.passed();
    let tests = &step(&run, "p2p-functional")["tests"];
    assert_eq!((&tests["total"], &tests["reports"]), (&json!(1), &json!(["test-results/good.xml"])));
    let notice = |text: &str| {
        assert!(
            run.stdout.contains(&format!("p2p-functional: the test report {text}")),
            "{text}: {}",
            run.stdout
        );
    };
    notice("\"test-results/broken.xml\" is not counted: ");
    notice("\"test-results/huge.xml\" is not counted: it has 1024 MiB, over the 32 MiB left");
    assert!(!run.stdout.contains("style.xml") && !run.stdout.contains("link.xml"), "{}", run.stdout);
}

#[test]
fn test_reports_names_other_files_or_none() {
    let recipe =
        "\t@mkdir -p out; cp report.txt out/a.xml; cp report.txt junit.xml; echo '<a/>' > out/b.xml\n";
    let with = |value: &str| {
        let gate = gate(recipe).file("report.txt", &fixture("mocha.xml")).commit("t");
        gate.input("environment", "dev").input("environments", &format!("dev: {{test-reports: '{value}'}}"))
    };
    let run = with("out/*.xml, other/**").run(&["fast-feedback"]);
    run.passed();
    assert_eq!(step(&run, "p2p-functional")["tests"]["reports"], json!(["out/a.xml"]));
    assert!(
        run.stdout.contains("\"out/b.xml\" is not counted: it is neither JUnit XML nor"),
        "{}",
        run.stdout
    );
    let run = with("none").run(&["fast-feedback"]);
    run.passed();
    assert_eq!(step(&run, "p2p-functional")["tests"], Value::Null);
    for wrong in ["../*.xml", "/tmp/*.xml", "a["] {
        let run = with(wrong).run(&["fast-feedback"]);
        assert_ne!(run.code, 0);
        assert!(run.stdout.contains("test-reports") && !run.stdout.contains("p2p-build"), "{}", run.stdout);
    }
}

#[test]
fn the_copy_of_nft_has_its_own_reports() {
    let recipe = |name: &str| format!("{name}:\n\t@sleep 0; cp {name}.txt junit.xml; exit 1\n");
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-integration:");
    let gate = Gate::new(&format!("{makefile}{}{}", recipe("p2p-functional"), recipe("p2p-nft")))
        .file("p2p-functional.txt", &fixture("mocha.xml"))
        .file("p2p-nft.txt", &fixture("vitest.xml"))
        .file("test/cart.js", "")
        .file("test/cart.test.js", "")
        .commit("t");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let place = |name: &str| step(&run, name)["tests"]["failures"][0]["file"].clone();
    assert_eq!(
        (place("p2p-functional"), place("p2p-nft")),
        (json!("test/cart.js"), json!("test/cart.test.js"))
    );
    assert_eq!(step(&run, "p2p-nft")["tests"]["total"], 4);
}
