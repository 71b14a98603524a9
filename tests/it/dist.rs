//! `dist/bootstrap` finds the right binary or says why not: against a release served on loopback.

mod scene;
mod workflow;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};

use self::scene::{BINARY, Scene, TOOLS, body, hash, platform, ran, refused, started, texts};
use crate::support::release::{Answer, Server};
use crate::support::tools::tool;

#[test]
fn cold_then_warm() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    let message = started(&mut scene.step_from(&server));
    assert!(message.contains(scene.cached().to_str().unwrap()), "{message}");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].starts_with(&format!("GET /mirror/v1.2.3/p2p-{} HTTP/1.1", platform())),
        "{requests:?}"
    );
    started(&mut scene.step_from(&server));
    assert_eq!(server.requests().len(), 1, "the second start downloads nothing");
    scene.assert_nothing_left_over();
}

#[test]
fn without_a_mirror_it_asks_the_github_server_of_the_job() {
    let (scene, server) =
        (Scene::with_release_of(BINARY), Server::start([Answer::Redirect("/cdn/x".into()), body()]));
    scene.write(".netrc", b"default login me password s3cret\n");
    scene.write(".curlrc", b"header = \"Authorization: s3cret\"\n");
    started(scene.step().env("GITHUB_SERVER_URL", server.url()).env("GITHUB_TOKEN", "s3cret"));
    let requests = server.requests();
    let release = format!("GET /coreeng/p2p-action/releases/download/v1.2.3/p2p-{} ", platform());
    assert!(requests[0].starts_with(&release), "{requests:?}");
    assert!(requests[1].starts_with("GET /cdn/x "), "a release redirects: {requests:?}");
    assert!(!requests.concat().contains("uthorization"), "no credential leaves: {requests:?}");
}

#[test]
fn a_given_binary_needs_no_manifest_and_no_network() {
    let scene = Scene::without_manifest();
    let binary = scene.executable("work space/built here/p2p", BINARY);
    let message = started(scene.step().env("INPUT_BINARY_PATH", &binary));
    assert!(message.contains(binary.to_str().unwrap()));
    started(scene.step().env("INPUT_BINARY_PATH", "built here/p2p"));

    scene.write("work space/data", b"");
    for (given, named) in
        [("data", "work space/data"), ("built here", "work space/built here"), ("nowhere", "nowhere")]
    {
        let (text, annotation) = refused(scene.step().env("INPUT_BINARY_PATH", given));
        assert!(text.contains("binary-path: ") && text.contains(named), "{text}");
        assert!(annotation.contains(named), "{annotation}");
    }
}

#[test]
fn a_given_binary_that_cannot_run_is_told() {
    let scene = Scene::without_manifest();
    let binary = scene.executable("p2p", b"#!/nowhere/its/loader\n");
    let (text, _) = refused(scene.step().env("INPUT_BINARY_PATH", binary));
    assert!(text.contains("is it built for this machine"), "{text}");
}

#[test]
fn a_damaged_cache_is_fetched_again() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    scene.executable("spare", b"#!/bin/sh\necho evil\n");
    std::fs::create_dir_all(scene.cached().parent().unwrap()).unwrap();
    std::fs::copy(scene.path("spare"), scene.cached()).unwrap();
    let message = started(&mut scene.step_from(&server));
    assert!(message.contains("is damaged"), "{message}");
    assert_eq!(std::fs::read(scene.cached()).unwrap(), BINARY);
}

#[test]
fn a_download_with_another_hash_is_never_run() {
    let (scene, server) =
        (Scene::with_release_of(BINARY), Server::start([Answer::Body(b"#!/bin/sh\necho evil\n".into())]));
    let (text, annotation) = refused(&mut scene.step_from(&server));
    for message in [&text, &annotation] {
        assert!(
            message.contains(&format!("v1.2.3/p2p-{} is not what was released", platform())),
            "{message}"
        );
        assert!(
            message.contains(&format!("SHA-256 {} (20 bytes)", hash(b"#!/bin/sh\necho evil\n"))),
            "{message}"
        );
        assert!(
            message.contains(&format!("expected {} ({} bytes)", hash(BINARY), BINARY.len())),
            "{message}"
        );
    }
    assert!(!scene.cached().exists());
    scene.assert_nothing_left_over();
}

#[test]
fn a_truncated_download_is_tried_again() {
    let truncated = Answer::Truncated(BINARY.to_vec());
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([truncated, body()]));
    started(&mut scene.step_from(&server));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_missing_file_is_final_and_named() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([Answer::Status(404)]));
    let (text, annotation) = refused(&mut scene.step_from(&server));
    assert!(
        text.contains(&format!("cannot download {}/…/v1.2.3/p2p-{}: ", server.url(), platform())),
        "{text}"
    );
    assert!(text.contains("404"), "{text}");
    assert!(
        annotation.contains("%0AWhere that server cannot be reached, give the input download-base-url"),
        "{annotation}"
    );
    assert_eq!(server.requests().len(), 1);
    scene.assert_nothing_left_over();
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([Answer::Status(503), body()]));
    started(&mut scene.step_from(&server));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn patience_ends() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([Answer::Status(503)]));
    let instant = scene.executable("bin/sleep", b"#!/bin/sh\nexit 0\n");
    let path = format!("{}:{}", instant.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let (text, _) = refused(scene.step_from(&server).env("PATH", path));
    assert!(text.contains("503"), "{text}");
    assert_eq!(server.requests().len(), 4);
}

/// Whatever a tool says of a URL: a stub of each prints all that it was given, and the redirect and the proxy
/// that a real one may name.
#[test]
fn no_credential_is_printed_whichever_tool_fails() {
    let stub =
        "#!/bin/sh\necho \"$0: $* https://cdn.example/x?sig=s3cret $http_proxy: Not Found\" >&2\nexit 6\n";
    let (server, mirror) = (
        "cannot download https://mirror.example/…/v1.2.3/p2p-",
        " from the mirror that download-base-url names: ",
    );
    for (base, shown) in [
        ("https://mirror.example/p2p/", server),
        ("https://mirror.example/s3cret/p2p", server),
        ("https://mirror.example/p2p?token=s3cret", server),
        ("https://mirror.example?s3cret", server),
        ("https://mirror.example/s3cret@s3cret/p2p", mirror),
        ("https://me:s3cret@mirror.example/p2p/", mirror),
        ("https://s3cret@mirror.example", mirror),
        ("https://me:s3cret/s3cret@s3cret@mirror.example/a", mirror),
        ("https://me:s3cret@mirror.example/p2p?s3cret", mirror),
        ("https://mirror.example/p2p?token=s3cret@s3cret", mirror),
        ("https://me:s3cret?s3cret@mirror.example/p2p", mirror),
        ("me:s3cret@mirror.example/p2p", mirror),
        ("mirror.example/s3cret", mirror),
    ] {
        for client in ["curl", "wget"] {
            let scene = Scene::with_release_of(BINARY);
            let path = scene.path_with(&[&TOOLS[..], &["sha256sum", "sh"]].concat());
            scene.executable(&format!("only these/{client}"), stub.as_bytes());
            std::fs::remove_file(path.join("sleep")).unwrap();
            scene.executable("only these/sleep", b"#!/bin/sh\nexit 0\n");
            let mut step = scene.step();
            step.env("INPUT_DOWNLOAD_BASE_URL", base)
                .env("PATH", &path)
                .env("http_proxy", "http://u:s3cret@proxy:1");
            let (text, _) = refused(&mut step);
            assert!(text.contains(shown), "{text}");
            assert!(text.contains(&format!(": {client} ended with exit code 6")), "{text}");
        }
    }
}

#[test]
fn the_token_of_a_mirror_reaches_it_and_no_message() {
    for programs in [["curl", "sha256sum"], ["wget", "sha256sum"]] {
        let (scene, server) = (Scene::with_release_of(BINARY), Server::start([Answer::Status(404), body()]));
        let url =
            format!("{}/p2p/?token=s3cret", server.url()).replace("http://", "http://me:s3cret-password@");
        let path = scene.path_with(&[&TOOLS[..], &programs, &["sh", "env", "grep"]].concat());
        let mut step = scene.step();
        let (text, _) = refused(step.env("INPUT_DOWNLOAD_BASE_URL", &url).env("PATH", &path));
        assert!(text.contains(": the server answered 404\n"), "{text}");
        started(&mut step);
        let asked = format!("GET /p2p/v1.2.3/p2p-{}?token=s3cret HTTP", platform());
        assert!(server.requests()[0].starts_with(&asked), "{:?}", server.requests());
    }
}

#[test]
fn two_jobs_at_once() {
    let scene = Scene::with_release_of(BINARY);
    let server = Server::start([Answer::Together(Arc::new(Barrier::new(2)), BINARY.to_vec())]);
    let jobs: Vec<_> = (0..2).map(|_| scene.step_from(&server).spawn().unwrap()).collect();
    for job in jobs {
        let pid = job.id();
        ran(job, pid);
    }
    assert_eq!(server.requests().len(), 2);
    assert_eq!(std::fs::read(scene.cached()).unwrap(), BINARY);
    scene.assert_nothing_left_over();
}

#[test]
fn a_tool_cache_that_cannot_be_written_is_not_needed() {
    for cache in [Some("/dev/null/cache"), Some(""), None] {
        let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
        let step = || {
            let mut step = scene.step_from(&server);
            step.env_remove("RUNNER_TOOL_CACHE");
            if let Some(cache) = cache {
                step.env("RUNNER_TOOL_CACHE", cache);
            }
            step
        };
        let message = started(&mut step());
        assert!(message.contains("/runner temp/p2p-bootstrap/1.2.3/p2p"), "{message}");
        started(&mut step());
        assert_eq!(server.requests().len(), 1, "later steps of the job find it");
        let (text, _) = refused(step().env("RUNNER_TEMP", "/dev/null/temp"));
        assert!(text.contains("no place for p2p"), "{text}");
    }
}

#[test]
fn a_directory_in_the_binary_s_place_is_passed_over() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    std::fs::create_dir_all(scene.cached()).unwrap();
    let message = started(&mut scene.step_from(&server));
    assert!(message.contains("/runner temp/p2p-bootstrap/1.2.3/p2p"), "{message}");
}

#[test]
fn a_filled_tool_cache_that_cannot_be_written_is_used() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    started(&mut scene.step_from(&server));
    std::fs::set_permissions(scene.cached().parent().unwrap(), std::fs::Permissions::from_mode(0o555))
        .unwrap();
    started(&mut scene.step_from(&server));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn curl_or_wget_and_any_program_that_hashes_will_do() {
    for programs in [["curl", "sha256sum"], ["wget", "sha256sum"], ["curl", "shasum"], ["wget", "openssl"]] {
        let (scene, server) = (Scene::with_release_of(BINARY), Server::start([Answer::Status(503), body()]));
        // shasum is a Perl script, and this one's binary is a shell script that greps.
        let path = scene.path_with(&[&TOOLS[..], &programs, &["perl", "sh", "env", "grep"]].concat());
        started(scene.step_from(&server).env("PATH", &path));
        assert_eq!(server.requests().len(), 2, "{programs:?}");
        started(scene.step_from(&server).env("PATH", &path));
        assert_eq!(server.requests().len(), 2, "{programs:?}");
    }
}

#[test]
fn what_is_missing_on_the_machine_is_named() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    let path = scene.path_with(&TOOLS);
    let (text, _) = refused(scene.step_from(&server).env("PATH", &path));
    assert!(text.contains("neither curl nor wget is installed"), "{text}");
    symlink(tool("curl"), path.join("curl")).unwrap();
    let (text, _) = refused(scene.step_from(&server).env("PATH", &path));
    assert!(text.contains("neither openssl nor sha256sum nor shasum"), "{text}");
    scene.assert_nothing_left_over();
}

#[test]
fn an_unknown_platform_is_named() {
    let scene = Scene::with_release_of(BINARY);
    for (system, arch) in [("msys", "x86_64"), ("linux-gnu", "riscv64"), ("freebsd14", "x86_64")] {
        let (text, _) = refused(scene.step().env("OSTYPE", system).env("HOSTTYPE", arch));
        assert!(text.contains(&format!("p2p is not built for {system} {arch}")), "{text}");
    }
}

#[test]
fn every_platform_has_its_file() {
    let binary = hash(BINARY);
    let platforms = [
        ("linux-gnu", "x86_64", "linux-x64"),
        ("linux-musl", "aarch64", "linux-arm64"),
        ("darwin23", "arm64", "macos-arm64"),
        ("darwin22.6.0", "x86_64", "macos-x64"),
    ];
    for (system, arch, platform) in platforms {
        let (scene, server) = (Scene::without_manifest(), Server::start([body()]));
        scene.manifest(&format!("version 1.2.3-rc.1\n{platform} file_{platform} {} {binary}", BINARY.len()));
        started(scene.step_from(&server).env("OSTYPE", system).env("HOSTTYPE", arch));
        assert!(server.requests()[0].starts_with(&format!("GET /mirror/v1.2.3-rc.1/file_{platform} ")));
    }
}

#[test]
fn a_checkout_without_a_release_says_how_to_go_on() {
    let scene = Scene::without_manifest();
    let (text, annotation) = refused(&mut scene.step());
    for message in [text, annotation] {
        assert!(
            message.contains("is no release") && message.contains("the action/dist/manifest is missing"),
            "{message}"
        );
        assert!(
            message.contains("cargo build --profile dist") && message.contains("binary-path"),
            "{message}"
        );
    }
}

#[test]
fn a_manifest_without_a_hash_is_refused() {
    let (platform, good) = (platform(), hash(BINARY));
    let manifests = [
        String::new(),
        format!("{platform} p2p 1 {good}\n"),
        format!("version 1.2.3\nother-x64 p2p 1 {good}\n"),
        format!("version 1.2.3\n{platform} p2p 1\n"),
        format!("version 1.2.3\n{platform} p2p 1 {}\n", &good[1..]),
        format!("version 1.2.3\n{platform} ../p2p 1 {good}\n"),
        format!("version 1.2.3/..\n{platform} p2p 1 {good}\n"),
        format!("version 1.2.3\n{platform} p2p x {good}\n"),
    ];
    let server = Server::start([body()]);
    for manifest in manifests {
        let scene = Scene::without_manifest();
        scene.manifest(&manifest);
        let (text, _) = refused(&mut scene.step_from(&server));
        assert!(text.contains("dist/manifest lacks") && text.contains(&platform), "{manifest}\n{text}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn what_the_environment_injects_into_shells_is_ignored() {
    let (scene, server) = (Scene::with_release_of(BINARY), Server::start([body()]));
    let evil = scene.write("evil.sh", b"echo evil; exit 1\n");
    let inject = |step: &mut Command| -> String {
        started(
            step.env("BASH_ENV", &evil)
                .env("ENV", &evil)
                .env("BASH_FUNC_exec%%", "() { echo evil; exit 1; }"),
        )
    };
    assert!(!inject(&mut scene.step_from(&server)).contains("evil;"));

    // Run as a program, it is as careful.
    let mut program = Command::new(scene.path("the action/dist/bootstrap"));
    let variables: Vec<_> = scene
        .step_from(&server)
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()))
        .collect();
    program
        .args(["fast-feedback", "two words"])
        .env_clear()
        .envs(variables)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    inject(&mut program);
}

#[test]
fn errors_take_no_effect_as_other_commands() {
    let scene = Scene::without_manifest();
    let path = "x%\n::set-output name=a::b\r\n ::add-mask::c\n##[error]d";
    let output = scene.step().env("INPUT_BINARY_PATH", path).output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("x%25%0A::set-output name=a::b%0D%0A ::add-mask::c%0A"), "{out}");
    assert!(!err.contains('\r') && !err.contains("##["), "{err}");
    assert!(!err.lines().any(|line| line.trim_start().starts_with("::")), "{err}");

    let output = scene.step().env_remove("GITHUB_ACTIONS").env("INPUT_BINARY_PATH", "x").output().unwrap();
    assert_eq!(texts(&output).0, "", "a person wants no annotation");
}

#[test]
fn a_proxy_is_asked_for_it() {
    for programs in [["curl", "sha256sum"], ["wget", "sha256sum"]] {
        let (scene, proxy) = (Scene::with_release_of(BINARY), Server::start([body()]));
        let path = scene.path_with(&[&TOOLS[..], &programs, &["sh", "env", "grep"]].concat());
        started(
            scene
                .step()
                .env("PATH", path)
                .env("http_proxy", proxy.url())
                .env("INPUT_DOWNLOAD_BASE_URL", "http://releases.invalid/mirror"),
        );
        let whole = format!("GET http://releases.invalid/mirror/v1.2.3/p2p-{} ", platform());
        assert!(proxy.requests()[0].starts_with(&whole), "{:?}", proxy.requests());
    }
}

#[test]
fn a_mirror_may_be_a_directory() {
    let scene = Scene::with_release_of(BINARY);
    scene.write(&format!("air gap/v1.2.3/p2p-{}", platform()), BINARY);
    let url = |name: &str| format!("file://{}", scene.path(name).display()).replace(' ', "%20");
    started(scene.step().env("INPUT_DOWNLOAD_BASE_URL", url("air gap")));
    std::fs::remove_file(scene.cached()).unwrap();
    let instant = scene.executable("bin/sleep", b"#!/bin/sh\nexit 0\n");
    let path = format!("{}:{}", instant.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut nowhere = scene.step();
    let (text, _) = refused(nowhere.env("INPUT_DOWNLOAD_BASE_URL", url("nothing here")).env("PATH", path));
    assert!(text.contains("cannot download file:///…/v1.2.3/"), "{text}");
}
