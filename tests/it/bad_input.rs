//! Each class of wrong input: refused with its name before anything is done; and the exit codes.

use std::fmt::Write;

use p2p::inputs::{InputKind, SPECS};
use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Fault;

/// The message of a run that was refused. Nothing was run, created, asked or left behind.
#[track_caller]
fn refused(gate: &Gate, arguments: &[&str]) -> String {
    let run = gate.run(arguments);
    run.ended(64);
    assert_eq!(run.output("result"), "failure");
    assert_eq!(run.outputs(), ["logs-path", "report-path", "result"]);
    assert_eq!((&run.report["result"], &run.report["steps"]), (&json!("failure"), &json!([])));
    assert!(!run.report["failure"]["what"].as_str().unwrap().is_empty());
    assert!(!gate.has(".rootfs"), "no target was run");
    assert_eq!(gate.registry.requests(), []);
    assert_eq!(gate.remote.tags().len(), 0);
    assert!(!run.stdout.contains("::group::"), "{}", run.stdout);
    let place = |path: &std::path::Path| path.display().to_string();
    message(&run)
        .replace(&place(&gate.workspace()), "(workspace)")
        .replace(&place(gate.home()), "(home)")
        .replace(&gate.registry.path(), "(registry)")
        .replace(&gate.head(), "(commit)")
}

/// The one error, without what differs from run to run.
#[track_caller]
fn message(run: &Run) -> String {
    let reading = run.reading();
    let errors: Vec<_> = reading.effects.iter().filter(|effect| effect.name == "error").collect();
    let [error] = errors.as_slice() else { panic!("{}", run.stdout) };
    assert_eq!(error.properties["title"], "p2p");
    error.message.clone()
}

/// The message for each of these values of one input.
fn of_input(name: &str, values: &[&str]) -> String {
    let mut text = String::new();
    for value in values {
        let gate = Gate::new(MAKEFILE).input(name, value);
        let arguments: &[&str] = if name == "command" { &[] } else { &["fast-feedback"] };
        writeln!(text, "{}\n", refused(&gate, arguments)).unwrap();
    }
    text
}

#[test]
fn keys_with_few_values() {
    let message = |entry: &str| {
        let gate = Gate::new(MAKEFILE).input("environments", &format!("'': {{{entry}}}"));
        refused(&gate, &["fast-feedback"])
    };
    for (entry, expected) in [
        ("comment: allways", "is wrong: did you mean `always`? expected one of `never`, `failure`, `always`"),
        ("scan: maybe", "is wrong: expected `on` or `off`"),
        ("subnamespaces-timeout: soon", "is wrong: expected a whole number of minutes"),
        ("test-reports: 'out/{a,b}/*.xml'", "so write two globs in place of `{a,b}`"),
        ("copy-limit: 5 furlongs", "is wrong: expected a number of bytes"),
        ("scan-history: all", "is neither `changes` nor `full`"),
    ] {
        let text = message(entry);
        assert!(text.contains(expected), "{entry}: {text}");
    }
}

#[test]
fn booleans() {
    insta::assert_snapshot!(of_input("dry-run", &["yes"]), @r#"
    the input `dry-run` is "yes"
    help: expected `true` or `false`; nothing was run
    "#);
    for spec in SPECS.iter().filter(|spec| spec.kind == InputKind::Bool) {
        for wrong in ["yes", "1", "on", "truth", "null"] {
            let message = of_input(spec.name, &[wrong]);
            assert!(message.starts_with(&format!("the input `{}` is {wrong:?}\n", spec.name)), "{message}");
        }
    }
}

/// Every kind of wrong input in one run, each with its line.
#[test]
fn all_that_is_wrong_is_told_at_once() {
    let gate = Gate::new(MAKEFILE)
        .input("integration", "requird")
        .input("timeout", "soon")
        .input("env-vars", "A=1\nno-such-s3cret\nREGISTRY=s3cret")
        .input("registry-logins", "\nr.example s3cret\n")
        .input("vars", "[]")
        .input("environments", "{dev: {regoin: x}}")
        .input("version", "not a tag")
        .input("fast-feedback-path", "Test")
        .input("images", r#"{"shop": "no-digest"}"#)
        .input("output", "json");
    let text = refused(&gate, &["fast-feedback"]);
    assert!(text.starts_with("11 inputs are wrong\n"), "{text}");
    for part in [
        "`integration` is \"requird\" (did you mean `required`? expected one of",
        "`timeout` is \"soon\"",
        "`registry-logins` cannot be read (line 2 lacks",
        "the input `output` is `json`",
        "input env-vars, line 2:",
        "input env-vars, line 3:",
        "input vars: not a JSON object",
        "input environments, line 1: dev has an unknown key \"regoin\"",
        "`fast-feedback-path` is \"Test\"",
        "`version` is \"not a tag\"",
        "`images` has no digest of shop",
    ] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("caused by: ")).collect();
        assert_eq!(lines.iter().filter(|line| line.contains(part)).count(), 1, "{part}: {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

/// A secret that is wrong is masked like any other, before anything is said.
#[test]
fn wrong_secrets_are_masked() {
    let encoded = "YXBpVmVyc2lvbjogdjEKa2luZDogQ29uZmlnCg==";
    let gate = Gate::new(MAKEFILE)
        .input("timeout", "soon")
        .input("kubeconfig", &format!("{encoded}\nsecond-s3cret-line"))
        .input("registry-logins", "r.example me pass-s3cret word-s3cret")
        .input("env-vars", "1A=value-s3cret");
    let run = gate.run(&["fast-feedback"]);
    run.ended(64);
    for secret in [encoded, "second-s3cret-line", "pass-s3cret", "word-s3cret", "value-s3cret"] {
        assert!(run.stdout.contains(&format!("::add-mask::{secret}\n")), "{secret}: {}", run.stdout);
        let shown =
            |text: &str| text.lines().any(|line| line.contains(secret) && !line.starts_with("::add-mask::"));
        assert!(run.texts().iter().all(|(_, text)| !shown(text)), "{secret}");
    }
}

/// Words of one kind where another is expected.
#[test]
fn a_command_is_no_target_and_a_target_no_command() {
    for (arguments, help) in [
        (&["run", "fast-feedback"][..], "write `p2p fast-feedback`"),
        (&["run", "p2p-build", "promote"], "write `p2p promote`"),
        (&["plan", "p2p-build"], "write `p2p plan run p2p-build`"),
        (&["plan", "fast-fedback"], "did you mean `p2p plan fast-feedback`?"),
        (&["promote", "p2p-promote-to-prod"], "write `p2p promote prod`"),
        (&["promote", "p2p-extended-test"], "write `p2p promote extended-test`"),
        (&["promote", "p2p-nft"], "write `p2p run p2p-nft`"),
        (&["plan", "promote", "p2p-prod"], "write `p2p promote prod`"),
    ] {
        let text = refused(&Gate::new(MAKEFILE), arguments);
        assert!(text.contains(help), "{arguments:?}: {text}");
    }
    let gate = Gate::new(MAKEFILE).input("command", "prod").input("target", "p2p-prod");
    let text = refused(&gate, &[]);
    assert!(text.contains("or write `p2p run p2p-prod` (`command: run`)"), "{text}");
}

#[test]
fn choices() {
    insta::assert_snapshot!(of_input("integration", &["sometimes"]), @r#"
    the input `integration` is "sometimes"
    help: expected one of `optional`, `required`, `off`; nothing was run
    "#);
    for spec in SPECS {
        if let InputKind::Choice(words) = spec.kind {
            let message = of_input(spec.name, &["sometimes"]);
            let all = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            assert!(message.contains(&format!("`{}` is \"sometimes\"", spec.name)), "{message}");
            assert!(message.contains(&format!("expected one of {all}; nothing was run")), "{message}");
        }
    }
}

#[test]
fn times_and_sizes() {
    insta::assert_snapshot!(of_input("timeout", &["0", "1.5", "soon"]) + &of_input("cache-limit", &["2 pounds"]), @r#"
    the input `timeout` is "0"
    help: expected a whole number of minutes, or one with a unit: `90s`, `45m`, `2h`; more than 0; nothing was run

    the input `timeout` is "1.5"
    help: expected a whole number of minutes, or one with a unit: `90s`, `45m`, `2h`; more than 0; nothing was run

    the input `timeout` is "soon"
    help: expected a whole number of minutes, or one with a unit: `90s`, `45m`, `2h`; more than 0; nothing was run

    the input `cache-limit` is "2 pounds"
    help: expected a number of bytes, or one with a unit: `500MiB`, `2GiB`; `0` for never; nothing was run
    "#);
}

#[test]
fn env_vars_by_the_number_of_the_line_alone() {
    let text = of_input("env-vars", &["A=1\ns3cret", "A<<EOF\ns3cret", "REGISTRY=s3cret"]);
    assert!(!text.contains("s3cret"));
    insta::assert_snapshot!(text, @r"
    input env-vars, line 2: there is neither `=` nor `<<` in it
    help: write one `KEY=VALUE` per line, or `KEY<<DELIM`, the lines of the value and a line `DELIM`; the line is not shown because it may be secret

    input env-vars, line 1: the delimiter that ends this value never comes
    help: write one `KEY=VALUE` per line, or `KEY<<DELIM`, the lines of the value and a line `DELIM`; the line is not shown because it may be secret

    input env-vars, line 1: it names `REGISTRY`, which the gate sets itself
    help: remove the line, or give the variable another name
    ");
}

#[test]
fn environments_and_vars() {
    insta::assert_snapshot!(
        of_input("environments", &["{a: {no-such-key: x}}", "a: [", "- a"]) + &of_input("vars", &["{", "[]"]),
        @r#"
        input environments, line 1: a has an unknown key "no-such-key"
        help: the keys are tenant-name, app-name, project-id, project-number, region, dplatform, cluster-name, base-domain, internal-services-domain, artifact-registry-domain, google-universe, google-sts-url, google-iam-credentials-url, google-container-url, google-kms-url, cluster-endpoint, subnamespaces-timeout, copy-limit, comment, scan, scan-blocking-severity, scan-ignore-unfixed, scan-verify-secrets, scan-history, scan-db, scan-java-db, scan-db-max-age, record-scans, scanner-base-url, trivy-path, trufflehog-path, sarif, test-reports, signing, signing-key, sigstore-trust-root, sigstore-fulcio-url, sigstore-rekor-url, sigstore-timestamp-url, sigstore-issuer, record-workflows, github-attestations, linked-artifacts, registry, service-account, workload-identity-provider, kube-context, base-namespace, namespace-functional, namespace-nft, namespace-integration, namespace-extended, namespace-prod, subnamespace, namespace

        input environments, line 1: unclosed bracket '['
        help: write it like this:
              gcp-dev:
                project-id: acme-dev
                project-number: 123456789012
                region: europe-west2

        input environments, line 1: a map from environment names to their values is expected
        help: write it like this:
              gcp-dev:
                project-id: acme-dev
                project-number: 123456789012
                region: europe-west2

        input vars: no JSON: EOF while parsing an object at line 1 column 1
        help: give the input `vars: ${{ toJSON(vars) }}`

        input vars: not a JSON object
        help: give the input `vars: ${{ toJSON(vars) }}`
        "#
    );
}

#[test]
fn the_repository_s_settings() {
    let gate = Gate::new(MAKEFILE).file(".p2p.yaml", "environments: {a: {no-such-key: x}}\n");
    insta::assert_snapshot!(refused(&gate, &["fast-feedback"]), @r#"
    .p2p.yaml, line 1: a has an unknown key "no-such-key"
    help: the keys are tenant-name, app-name, project-id, project-number, region, dplatform, cluster-name, base-domain, internal-services-domain, artifact-registry-domain, google-universe, google-sts-url, google-iam-credentials-url, google-container-url, google-kms-url, cluster-endpoint, subnamespaces-timeout, copy-limit, comment, scan, scan-blocking-severity, scan-ignore-unfixed, scan-verify-secrets, scan-history, scan-db, scan-java-db, scan-db-max-age, record-scans, scanner-base-url, trivy-path, trufflehog-path, sarif, test-reports, signing, signing-key, sigstore-trust-root, sigstore-fulcio-url, sigstore-rekor-url, sigstore-timestamp-url, sigstore-issuer, record-workflows, github-attestations, linked-artifacts, registry, service-account, workload-identity-provider, kube-context, base-namespace, namespace-functional, namespace-nft, namespace-integration, namespace-extended, namespace-prod, subnamespace, namespace
    "#);
}

#[test]
fn directories() {
    insta::assert_snapshot!(of_input("working-directory", &["absent", "Makefile"]), @r#"
    the input `working-directory` is "absent", and (workspace)/absent is not a directory
    help: check out the repository first (actions/checkout), and name a directory in it

    the input `working-directory` is "Makefile", and (workspace)/Makefile is not a directory
    help: check out the repository first (actions/checkout), and name a directory in it
    "#);
}

#[test]
fn commands_and_their_words() {
    let mut all = of_input("target", &["p2p-build"]);
    for arguments in
        [&["run"][..], &["run", "p2p-no-such"], &["promote"], &["promote", "test"], &["plan", "deploy"]]
    {
        writeln!(all, "{arguments:?}: {}\n", refused(&Gate::new(MAKEFILE), arguments)).unwrap();
    }
    insta::assert_snapshot!(all, @r#"
    `fast-feedback` takes no target, and `target` is `p2p-build`
    help: leave `target` out, or write `p2p run p2p-build` (`command: run`); nothing was run

    ["run"]: no target to run
    help: name one or more make targets: `p2p run p2p-build`, or the input `target`

    ["run", "p2p-no-such"]: the Makefile does not define `p2p-no-such`
    help: add what is missing; it defines `p2p-build`, `p2p-functional`, `p2p-integration`, `p2p-nft`. Nothing was run

    ["promote"]: no stage is named
    help: expected one of `extended-test`, `prod`; nothing was run

    ["promote", "test"]: `test` is not a stage to promote to
    help: expected one of `extended-test`, `prod`; nothing was run

    ["plan", "deploy"]: `deploy` cannot be planned
    help: expected one of `fast-feedback`, `extended-test`, `prod`, `version`, `run`, `promote`, `release`, `scan`, `latest`; nothing was run
    "#);
}

#[test]
fn flags() {
    let gate = Gate::new(MAKEFILE);
    for arguments in
        [&["deploy"][..], &["fast-feedback", "--no-such"], &["run", "--github-token", "x"], &["--dry-run=x"]]
    {
        let run = gate.run(arguments);
        run.ended(64);
        assert!(!gate.has(".rootfs"));
    }
    let run = gate.run(&["fast-feedback", "--integraton", "off"]);
    assert!(run.stderr.contains("--integration"), "a near miss is named: {}", run.stderr);
}

#[test]
fn images_and_registries() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let recorded = format!(r#"[{{"name": "Shop", "reference": "x", "digest": "{digest}"}}]"#);
    let all = of_input(
        "images",
        &["shop", r#"{"shop": 1}"#, r#"[{"name": "shop", "reference": "x", "digest": "latest"}]"#, &recorded],
    ) + &of_input("image-names", &["Shop", "shop:latest", ","])
        + &of_input("registry", &["https://ghcr.io/acme", "ghcr.io/Acme", "ghcr.io/acme:1"])
        + &of_input("fast-feedback-path", &["Test", "/", "a//b"]);
    insta::assert_snapshot!(all, @r#"
    the input `images` cannot be read: expected value at line 1 column 1
    help: give the output `digests` of the job that built them, {"<name>": "sha256:…"}, or its output `images`, [{"name": …, "reference": …, "digest": "sha256:…"}]; nothing was run

    the input `images` cannot be read: invalid type: integer `1`, expected a string at line 1 column 10
    help: give the output `digests` of the job that built them, {"<name>": "sha256:…"}, or its output `images`, [{"name": …, "reference": …, "digest": "sha256:…"}]; nothing was run

    the input `images` has no digest of shop
    caused by: digest "latest" is not valid: expected sha256: and 64 hexadecimal digits
    help: write it as sha256:<64 hexadecimal digits>

    no image can be called "Shop": `image-names` or `images` is wrong
    caused by: repository "(registry)/test/Shop" is not valid: each part of its name has lower-case letters and digits, with '.', '_', '__' or '-' between them
    help: write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop

    no image can be called "Shop": `image-names` or `images` is wrong
    caused by: repository "(registry)/test/Shop" is not valid: each part of its name has lower-case letters and digits, with '.', '_', '__' or '-' between them
    help: write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop

    no image can be called "shop:latest": `image-names` or `images` is wrong
    caused by: repository "(registry)/test/shop:latest" is not valid: a repository has neither tag nor digest
    help: write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop

    the input `image-names` is ","
    help: expected at least one name; nothing was run

    registry "https://ghcr.io/acme" (input registry) is not a registry: a host and a path without `https://`, such as `ghcr.io/acme/shop` or `docker.io/acme`
    help: correct the input registry

    no image can be kept at ghcr.io/Acme/test: `registry` or a stage's path is wrong
    caused by: repository "ghcr.io/Acme/test" is not valid: each part of its name has lower-case letters and digits, with '.', '_', '__' or '-' between them
    help: write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop

    no image can be kept at ghcr.io/acme:1/test: `registry` or a stage's path is wrong
    caused by: repository "ghcr.io/acme:1/test" is not valid: a repository has neither tag nor digest
    help: write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop

    the input `fast-feedback-path` is "Test"
    help: expected a registry path of lower-case letters, digits, `.`, `_`, `-` and `/`, with a letter or digit at both ends of each part; nothing was run

    the input `fast-feedback-path` is "/"
    help: expected a registry path of lower-case letters, digits, `.`, `_`, `-` and `/`, with a letter or digit at both ends of each part; nothing was run

    the input `fast-feedback-path` is "a//b"
    help: expected a registry path of lower-case letters, digits, `.`, `_`, `-` and `/`, with a letter or digit at both ends of each part; nothing was run
    "#);
}

#[test]
fn logins() {
    let gate =
        Gate::new(MAKEFILE).input("registry-username", "a:b").input("registry-password", "s3cret-password");
    let message = refused(&gate, &["fast-feedback"]);
    assert!(!message.contains("s3cret"));
    insta::assert_snapshot!(message, @r"
    the user name for the registry (registry) is empty or holds a `:`
    help: give the user name and the password as two inputs
    ");
}

#[test]
fn versions_and_prefixes() {
    insta::assert_snapshot!(
        of_input("version", &["1.2.3+build", "a/b", ".1", " "]) + &of_input("version-prefix", &["a b", "/v", "a..b"]),
        @r#"
        the input `version` is "1.2.3+build", and images are tagged with it
        caused by: tag "1.2.3+build" is not valid: it is empty, too long or has characters that a tag may not have
        help: a tag has letters, digits, '_', '.' and '-', at most 128, and starts with none of '.' and '-'

        the input `version` is "a/b", and images are tagged with it
        caused by: tag "a/b" is not valid: it is empty, too long or has characters that a tag may not have
        help: a tag has letters, digits, '_', '.' and '-', at most 128, and starts with none of '.' and '-'

        the input `version` is ".1", and images are tagged with it
        caused by: tag ".1" is not valid: it is empty, too long or has characters that a tag may not have
        help: a tag has letters, digits, '_', '.' and '-', at most 128, and starts with none of '.' and '-'

        the input `version` is " ", and images are tagged with it
        caused by: tag " " is not valid: it is empty, too long or has characters that a tag may not have
        help: a tag has letters, digits, '_', '.' and '-', at most 128, and starts with none of '.' and '-'

        no git tag can begin with the prefix 'a b' (input version-prefix): it holds a space or a control character
        help: a prefix is literal text in front of the number, such as 'v', 'api-v' or 'team/api/'

        no git tag can begin with the prefix '/v' (input version-prefix): it begins with '/' or holds '//'
        help: a prefix is literal text in front of the number, such as 'v', 'api-v' or 'team/api/'

        no git tag can begin with the prefix 'a..b' (input version-prefix): it holds '..'
        help: a prefix is literal text in front of the number, such as 'v', 'api-v' or 'team/api/'
        "#
    );
    let long = "1".repeat(129);
    assert!(of_input("version", &[&long]).contains("the input `version` is"));
}

#[test]
fn artifacts_that_leave_the_directory() {
    insta::assert_snapshot!(of_input("artifacts", &["reports\n../../etc/*", "/etc/passwd", "a[", "a/{b"]), @r#"
    the glob "../../etc/*" leaves its directory with `..`
    help: a glob is relative to the working directory and stays inside it: `reports/**/*.xml`

    the glob "/etc/passwd" is absolute
    help: a glob is relative to the working directory and stays inside it: `reports/**/*.xml`

    the glob "a[" is malformed: unclosed character class; missing ']'
    help: a glob is relative to the working directory and stays inside it: `reports/**/*.xml`

    the glob "a/{b" is malformed: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    help: a glob is relative to the working directory and stays inside it: `reports/**/*.xml`
    "#);
}

#[test]
fn names_of_tenant_and_namespaces() {
    insta::assert_snapshot!(
        of_input("tenant-name", &["Acme_Inc", " "]) + &of_input("environments", &["{'': {namespace-nft: Nft}}"]) + &of_input("region", &["eu west"]),
        @r#"
        tenant-name "Acme_Inc" (input tenant-name) is not a DNS label: up to 63 lower-case letters, digits and dashes, a letter or digit at both ends
        help: correct the input tenant-name

        tenant-name " " (input tenant-name) is not a DNS label: up to 63 lower-case letters, digits and dashes, a letter or digit at both ends
        help: the input tenant-name holds nothing but white space: give it a value, or leave it out

        namespace-nft "Nft" (environments[""].namespace-nft) is not a DNS label: up to 63 lower-case letters, digits and dashes, a letter or digit at both ends
        help: correct environments[""].namespace-nft

        region "eu west" (input region) is not a region: lower-case letters, digits and dashes
        help: correct the input region
        "#
    );
}

#[test]
fn kubeconfigs() {
    let all = of_input("kubeconfig", &["absent", "kind: Config\nusers:\n", "a: [\n"])
        + &of_input("kube-context", &["dev"]);
    insta::assert_snapshot!(all, @r"
    the input kubeconfig is neither the path of a file that exists, nor the content of a kubeconfig, nor that in base64
    help: give the input kubeconfig (INPUT_KUBECONFIG) as a path, as the content itself or as the content in base64, or name a file by KUBECONFIG; values are not shown because they may be secret

    the kubeconfig has no current context
    help: it has no contexts at all; give another kubeconfig

    the input kubeconfig is neither the path of a file that exists, nor the content of a kubeconfig, nor that in base64
    help: give the input kubeconfig (INPUT_KUBECONFIG) as a path, as the content itself or as the content in base64, or name a file by KUBECONFIG; values are not shown because they may be secret

    there is no kubeconfig at ~/.kube/config
    help: give the input kubeconfig (INPUT_KUBECONFIG) as a path, as the content itself or as the content in base64, or name a file by KUBECONFIG; values are not shown because they may be secret
    ");
}

#[test]
fn makefiles() {
    let mut all = String::new();
    for makefile in [
        "p2p-build: ; @touch .rootfs\n",
        "p2p-build:\n\t@touch .rootfs\nnonsense here\n",
        "$(error tell the platform team)\n",
    ] {
        writeln!(all, "{}\n", refused(&Gate::new(makefile), &["fast-feedback"])).unwrap();
    }
    let gate = Gate::new(MAKEFILE).file("docs/x", "");
    let gate = gate.input("working-directory", "docs");
    writeln!(all, "{}\n", refused(&gate, &["fast-feedback"])).unwrap();
    let gate = Gate::new(MAKEFILE).input("integration", "required");
    let without = MAKEFILE.replace(" p2p-integration", "");
    let gate = gate.file("Makefile", &without).commit("no integration");
    writeln!(all, "{}\n", refused(&gate, &["fast-feedback"])).unwrap();
    for declared in ["", ".PHONY: p2p-promote-to-extended-test\n"] {
        let gate = Gate::new(&format!("{MAKEFILE}{declared}")).input("promotion", "make");
        writeln!(all, "{}\n", refused(&gate, &["fast-feedback"])).unwrap();
    }
    insta::assert_snapshot!(all, @r"
    the Makefile does not define `p2p-functional`, `p2p-nft`
    help: add what is missing; it defines `p2p-build`. Nothing was run

    the Makefile is broken: Makefile:3: *** missing separator.  Stop.
    help: a recipe line must begin with a tab, not with spaces

    the Makefile is broken: Makefile:1: *** tell the platform team.  Stop.
    help: `make -n p2p-build` shows the same message; mend the Makefile at the line it names

    no Makefile in (workspace)/docs
    help: there are Makefiles in (workspace): set the input `working-directory` to one of these directories (--working-directory), or run p2p there

    the Makefile does not define `p2p-integration`
    help: add what is missing; it defines `p2p-build`, `p2p-functional`, `p2p-nft`. Nothing was run

    `promotion` is `make` and the Makefile has no target `p2p-promote-to-extended-test`
    help: let the target `p2p-promote-to-extended-test` promote, or set `promotion: auto`; nothing was run

    `promotion` is `make` and the target `p2p-promote-to-extended-test` does nothing
    help: let the target `p2p-promote-to-extended-test` promote, or set `promotion: auto`; nothing was run
    ");
}

#[test]
fn the_job_s_own_variables() {
    let missing = Gate::new(MAKEFILE).env("GITHUB_SHA", "");
    let broken = Gate::new(MAKEFILE).env("GITHUB_EVENT_PATH", "/no/such/file");
    let sha = Gate::new(MAKEFILE).env("GITHUB_SHA", "main~1 x");
    let all = [missing, broken, sha].map(|gate| refused(&gate, &["fast-feedback"])).join("\n\n");
    insta::assert_snapshot!(all, @r"
    the environment variable `GITHUB_SHA` is not set
    help: GitHub's runner sets it in every step; outside GitHub Actions unset `GITHUB_ACTIONS` to run locally

    the event payload /no/such/file cannot be read: No such file or directory (os error 2)
    help: `GITHUB_EVENT_PATH` must name the JSON file that the runner wrote

    the environment variable `GITHUB_SHA` names no commit
    caused by: 'main~1 x' is not the full id of a commit
    help: use all 40 (SHA-1) or 64 (SHA-256) hexadecimal digits
    ");
}

#[test]
fn a_destination_that_is_not_described() {
    let gate = Gate::new(MAKEFILE).input("dest-environment", "gcp-prod");
    insta::assert_snapshot!(refused(&gate, &["fast-feedback"]), @r"
    the registry of environment gcp-prod is not known: it needs region and project-id
    help: set it in .p2p.yaml; values of the job's own environment are never used for another one:
          environments:
            gcp-prod:
              region: …
              project-id: …
    ");
}

#[test]
fn the_codes_of_the_documentation() {
    let documented = include_str!("../../docs/exit-codes.md");
    let is = |code: i32, gate: &Gate, arguments: &[&str]| {
        assert!(
            documented.contains(&format!("| {code} ")) || documented.contains(&format!("| {code}, ")),
            "{code}"
        );
        gate.run(arguments).ended(code);
    };
    is(0, &Gate::new(MAKEFILE), &["fast-feedback"]);
    is(0, &Gate::new("p2p-build: ; @exit 0\n"), &["run", "p2p-build"]);
    // GNU make's own code for a recipe that failed, whatever the recipe's.
    is(2, &Gate::new("p2p-build: ; @exit 7\n"), &["run", "p2p-build"]);
    is(64, &Gate::new(MAKEFILE), &["run"]);

    // The image is not what was tested.
    is(1, &Gate::new("P2P_APP_NAME = shop\np2p-build p2p-functional p2p-nft: ; @echo\n"), &["fast-feedback"]);
    // A registry that nobody listens at, and a GitHub that refuses.
    let refusing = Gate::new(MAKEFILE);
    refusing.github.fault(|seen| {
        seen.creates_ref().then(|| Fault::error(403, "Resource not accessible by integration"))
    });
    is(69, &refusing, &["fast-feedback"]);
    is(69, &Gate::new(MAKEFILE).input("github-token", "wrong"), &["fast-feedback"]);
    is(124, &Gate::new("p2p-build: ; @sleep 60\n").input("timeout", "1s"), &["run", "p2p-build"]);
}

/// As `make-flags` of the reusable workflows gives them.
#[test]
fn options_of_make_with_which_nothing_would_be_tested() {
    for (variable, flags, named) in [
        ("MAKEFLAGS", "-j2 -n", "holds `-n`, with which"),
        ("MAKEFLAGS", "--ignore-errors", "holds `--ignore-errors`"),
        ("GNUMAKEFLAGS", "-kt", "`GNUMAKEFLAGS` holds `-kt`"),
        ("MAKEFLAGS", "VERSION=9.9.9", "a value of `VERSION`, which the gate sets"),
    ] {
        let run = Gate::new("p2p-build: ; @echo ran\n").env(variable, flags).run(&["run", "p2p-build"]);
        run.ended(64);
        assert!(run.stdout.contains(named) && !run.stdout.contains("ran\n"), "{}", run.stdout);
    }
    let gate = Gate::new("p2p-build: ; @echo '$(MAKEFLAGS) $(SIZE)'\n");
    let run = gate.env("MAKEFLAGS", "-s --jobs=3 SIZE=small").run(&["run", "p2p-build"]);
    let log = &run.passed().logs["p2p-build.log"];
    assert!(log.contains("-j3") && log.ends_with(" small\n"), "{log}");
}

#[test]
fn the_first_step_that_failed_decides_the_code() {
    let makefile =
        MAKEFILE.replace("@echo '$@ of $(P2P_VERSION)'", "@[ $@ = p2p-functional ] && sleep 60 || exit 1");
    let run = Gate::new(&makefile).input("timeout", "1s").run(&["fast-feedback"]);
    run.ended(124);
    assert_eq!((run.step("p2p-functional"), run.step("p2p-nft")), ("timed-out", "failed"));
    let makefile = makefile.replace("$@ = p2p-functional", "$@ = p2p-nft");
    Gate::new(&makefile).input("timeout", "1s").run(&["fast-feedback"]).ended(2);
}

#[test]
fn names_that_would_match_nothing_in_silence() {
    for (name, values) in [
        (
            "main-branch",
            &[" main", "main ", "ma in", "main\nx", "heads/main", "refs/tags/v1", "a..b", "-x", "@"][..],
        ),
        ("environment", &[" gcp-dev", "gcp-dev\n", "a\nb"]),
        ("source-environment", &["gcp-dev "]),
        ("dest-environment", &["\tgcp-prod"]),
        ("registry-username", &["octocat\nx", " octocat"]),
        ("fast-feedback-path", &["..", ".", "test/../prod", "test/.", "-test", "test/"]),
        ("prod-path", &["a b", "PROD", "prod."]),
    ] {
        for value in values {
            let message = of_input(name, &[value]);
            assert!(message.starts_with(&format!("the input `{name}` is ")), "{name} {value:?}: {message}");
        }
    }
    for (name, value) in
        [("extended-test-path", "test"), ("prod-path", "extended-test"), ("prod-path", "test/prod")]
    {
        let message = of_input(name, &[value]);
        assert!(message.contains(&format!("`{name}`")) && message.contains("a path of its own"), "{message}");
    }
}

#[test]
fn values_that_would_lead_to_another_host() {
    for (name, value) in [("region", "evil.example/a"), ("project-id", "evil/x"), ("registry", "main")] {
        let message = of_input(name, &[value]);
        assert!(message.starts_with(&format!("{name} {value:?} (input {name})")), "{message}");
    }
    let message = of_input("registry", &["https://user:s3cretPW@host.example/shop"]);
    assert!(!message.contains("s3cretPW"), "{message}");
    assert!(of_input("main-branch", &[&"x ".repeat(5000)]).len() < 400);
}
