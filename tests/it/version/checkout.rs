//! Facts about a checkout, told by the real git.

use std::path::Path;
use std::time::{Duration, Instant};

use ::sys::process::ProcessError;
use p2p::domain::version::Commit;
use p2p::edges::git::{Git, GitError, toplevel};

use super::{env, git, shown};
use crate::support::git::{Checkout, git as plain_git};

#[tokio::test]
async fn head_and_what_revisions_lead_to() {
    let checkout = Checkout::new();
    checkout.file("a", "1");
    let first = checkout.commit("first");
    checkout.git(&["tag", "--annotate", "--message=x", "v1.0.0"]);
    checkout.git(&["tag", "--annotate", "--message=x", "outer", "v1.0.0"]);
    let second = checkout.commit("second");
    let (git, path) = (git(), checkout.path());

    assert_eq!(git.head(&path).await.unwrap().as_str(), second);
    for (revision, commit) in
        [("v1.0.0", Some(&first)), ("outer", Some(&first)), ("main", Some(&second)), (&first, Some(&first))]
    {
        let found = git.peel(&path, revision).await.unwrap();
        assert_eq!(found.as_ref().map(Commit::as_str), commit.map(String::as_str), "{revision}");
    }
    for revision in ["v9.9.9", "main:a", &"1".repeat(40), "-x", ""] {
        assert_eq!(git.peel(&path, revision).await.unwrap(), None, "{revision}");
    }
}

#[test]
fn the_top_of_the_working_tree_is_what_git_takes_it_for() {
    let library = Checkout::new();
    library.commit("library");
    let checkout = Checkout::new();
    checkout.file("apps/shop front/Makefile", "");
    // As git does, look past a `.git` that is no repository.
    checkout.file("apps/.git/config", "");
    let source = library.path().display().to_string();
    checkout.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "shared"]);
    checkout.commit("first");
    checkout.git(&["worktree", "add", "--quiet", "trees/other"]);
    for below in ["", "apps/shop front", "shared", "trees/other/apps/shop front", ".git/.."] {
        let below = checkout.path().join(below).canonicalize().unwrap();
        let top = plain_git(&below, &["rev-parse", "--show-toplevel"]);
        assert_eq!(toplevel(&below), Some(Path::new(top.trim())), "{}", below.display());
    }
    assert_eq!(toplevel(tempfile::tempdir().unwrap().path()), None);
}

#[tokio::test]
async fn what_is_tracked() {
    let library = Checkout::new();
    library.file("lib.mk", "");
    library.commit("library");
    let checkout = Checkout::new();
    checkout.file("app/Makefile", "all:");
    checkout.file("app/we*ird [name].mk", "");
    checkout.file(".gitignore", "*.local.mk");
    let source = library.path().display().to_string();
    checkout.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "shared"]);
    checkout.commit("first");
    checkout.file("app/Makefile", "all: changed");
    checkout.file("app/.p2p.mk", "");
    checkout.file("app/x.local.mk", "");
    checkout.file("app/weXird [name].mk", "");
    checkout.git(&["clone", "--quiet", &source, "app/vendor"]);

    let (git, app) = (git(), checkout.path().join("app"));
    let absolute = app.join("Makefile");
    for (file, tracked) in [
        (Path::new("Makefile"), true),
        (&absolute, true),
        (Path::new("../app/Makefile"), true),
        (Path::new("we*ird [name].mk"), true),
        (Path::new("../shared/lib.mk"), true),
        (Path::new("weXird [name].mk"), false),
        (Path::new(".p2p.mk"), false),
        (Path::new("x.local.mk"), false),
        (Path::new("missing.mk"), false),
        // Another repository that was cloned into this one is not the team's own.
        (Path::new("vendor/lib.mk"), false),
        (Path::new("/etc/hostname"), false),
        (Path::new(":(glob)**"), false),
    ] {
        assert_eq!(git.is_tracked(&app, file).await.unwrap(), tracked, "{}", file.display());
    }
    let outside = tempfile::tempdir().unwrap();
    assert!(!git.is_tracked(outside.path(), Path::new("Makefile")).await.unwrap());
}

#[tokio::test]
async fn what_is_changed_are_tracked_files() {
    let checkout = Checkout::new();
    checkout.file("a", "1");
    let commit = checkout.commit("first");
    checkout.git(&["tag", "--annotate", "--message=x", "v1.0.0"]);
    let changed = async || {
        assert_eq!(git().head(&checkout.path()).await.unwrap().as_str(), commit);
        git().is_changed(&checkout.path()).await.unwrap()
    };
    assert!(!changed().await);
    checkout.file("new", "1");
    assert!(!changed().await);
    checkout.file("a", "2");
    assert!(changed().await);
    checkout.git(&["add", "a"]);
    assert!(changed().await);
}

#[tokio::test]
async fn a_repository_that_the_environment_names_is_not_asked() {
    let (checkout, other) = (Checkout::new(), Checkout::new());
    let commit = checkout.commit("first");
    other.commit("other");
    let mut env = env();
    env.set("GIT_DIR", other.path().join(".git"));
    env.set("GIT_WORK_TREE", other.path());
    assert_eq!(Git::new(&env).head(&checkout.path()).await.unwrap().as_str(), commit);
}

#[tokio::test]
async fn no_repository_no_commit_and_no_git_are_told_apart() {
    let outside = tempfile::tempdir().unwrap();
    let name = outside.path().display().to_string();
    let mut texts = Vec::new();
    for error in
        [git().head(outside.path()).await.unwrap_err(), git().is_changed(outside.path()).await.unwrap_err()]
    {
        assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
        texts.push(shown(error).replace(&name, "DIRECTORY"));
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
    texts.truncate(1);

    plain_git(outside.path(), &["init", "--quiet"]);
    texts.push(shown(git().head(outside.path()).await.unwrap_err()).replace(&name, "DIRECTORY"));

    let mut env = env();
    env.set("PATH", outside.path());
    texts.push(shown(Git::new(&env).is_changed(outside.path()).await.unwrap_err()));
    let gone = outside.path().join("gone");
    texts.push(shown(git().head(&gone).await.unwrap_err()).replace(&name, "DIRECTORY"));
    insta::assert_snapshot!(texts.join("\n\n"));
}

/// git's transports are processes of their own: they must not outlive the time limit.
#[tokio::test]
async fn a_git_that_hangs_is_ended_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    super::remote::script(
        &directory.path().join("git"),
        "sleep 600 & echo $! > \"$0.child\"; mv \"$0.child\" \"${0%git}pid\"; wait",
    );
    let mut env = env();
    let path = env.get("PATH").unwrap().to_owned();
    env.set("PATH", format!("{}:{path}", directory.path().display()));
    let git = Git::new(&env).within(Duration::from_millis(500));
    let error = git.head(directory.path()).await.unwrap_err();
    assert!(matches!(error, GitError::Program(ProcessError::TimedOut { .. })), "{error}");
    let child = std::fs::read_to_string(pid).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    let begun = Instant::now();
    // A zombie is dead; whoever inherited it may be slow to notice.
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the child lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// git 2.35.2 to 2.37, Debian's 2.30.2 and Ubuntu's 2.34.1 take no word for it from the environment.
#[tokio::test]
async fn a_checkout_of_another_user_is_read_in_the_job_s_workspace_alone() {
    let checkout = Checkout::new();
    checkout.file("Makefile", "");
    let commit = checkout.commit("first");
    let directory = tempfile::tempdir().unwrap();
    let path = env().get("PATH").unwrap().to_owned();
    let real = std::env::split_paths(&path).map(|path| path.join("git")).find(|git| git.is_file()).unwrap();
    // Trusts what the user's own files name, and notes whether the user's other settings are in force.
    super::remote::script(
        &directory.path().join("git"),
        &format!(
            "own() {{ GIT_CONFIG_COUNT=0 '{}' config --global --includes --get-all \"$1\"; }}\n\
             own user.name >> \"$0.users\"\n\
             own safe.directory | grep -qxF -e \"$TRUSTED\" && exec '{}' \"$@\"\n\
             echo \"fatal: unsafe repository ('$PWD' is owned by someone else)\" >&2\n\
             exit 128",
            real.display(),
            real.display()
        ),
    );
    let home = directory.path().join("home \"quoted\"");
    std::fs::create_dir_all(home.join(".config/git")).unwrap();
    let settings = home.join(".config/git/config");
    std::fs::write(&settings, "[user]\n\tname = Ada\n").unwrap();
    let top = checkout.path();
    let env = |trusted: &str, global: bool| {
        let mut env: ::sys::world::Env = [("GIT_CONFIG_NOSYSTEM", "1")].into_iter().collect();
        env.set("PATH", format!("{}:{path}", directory.path().display()));
        env.set("HOME", &home);
        env.set("TRUSTED", trusted);
        if global {
            env.set("GIT_CONFIG_GLOBAL", &settings);
        }
        env
    };
    let trusted = top.to_str().unwrap();
    for global in [false, true] {
        let git = Git::new(&env(trusted, global)).in_workspace(Some(&top));
        assert_eq!(git.peel(&top, "HEAD").await.unwrap().unwrap().as_str(), commit);
        assert!(git.is_tracked(&top, Path::new("Makefile")).await.unwrap());
        assert!(!git.is_changed(&top).await.unwrap());
        let users = directory.path().join("git.users");
        // The first try, the second one, and one each of the others.
        assert_eq!(std::fs::read_to_string(&users).unwrap(), "Ada\n".repeat(4));
        std::fs::remove_file(users).unwrap();
    }
    // Neither on a laptop nor elsewhere on a runner.
    let elsewhere = Git::new(&env(trusted, false)).in_workspace(Some(directory.path()));
    let error = elsewhere.is_changed(&top).await.unwrap_err();
    assert!(matches!(error, GitError::Distrusted { .. }), "{error}");
    let error = Git::new(&env(trusted, false)).is_changed(&top).await.unwrap_err();
    assert!(matches!(error, GitError::Distrusted { .. }), "{error}");
    let text = shown(error);
    let help = format!("git config --global --add safe.directory '{}'", top.display());
    assert!(text.contains("belongs to another user") && text.contains(&help), "{text}");
}
