//! A checkout of the action and the machine it starts on: paths with spaces, a private environment.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::release::{Answer, Server};
use crate::support::tools::tool;

/// What the release calls p2p: tells who it is and what it was given.
pub(super) const BINARY: &[u8] = b"#!/bin/sh
echo \"p2p runs as $$ from $0 with: $*\"
env | grep ^INPUT_ || true
";

pub(super) const VERSION: &str = "1.2.3";

/// What bootstrap needs besides bash and a client for downloads.
pub(super) const TOOLS: [&str; 7] = ["chmod", "mkdir", "mktemp", "mv", "rm", "sleep", "wc"];

/// An action's checkout, a tool cache and a temporary directory, all on paths with spaces.
pub(super) struct Scene {
    root: TempDir,
}

impl Scene {
    /// A release whose manifest names `binary` for the platform of this machine.
    pub(super) fn with_release_of(binary: &[u8]) -> Self {
        let scene = Self::without_manifest();
        scene.manifest(&format!(
            "version {VERSION}\nwindows-x64 p2p.exe 1 {zero}\n{platform} p2p-{platform} {} {}\nplan9-x64 p2p9 1 {zero}\n",
            binary.len(),
            hash(binary),
            platform = platform(),
            zero = "0".repeat(64),
        ));
        scene
    }

    pub(super) fn without_manifest() -> Self {
        let scene = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["the action/dist", "tool cache", "runner temp", "work space"] {
            std::fs::create_dir_all(scene.path(folder)).unwrap();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/bootstrap");
        std::fs::copy(source, scene.path("the action/dist/bootstrap")).unwrap();
        scene.write("step.sh", b"source \"$GITHUB_ACTION_PATH/dist/bootstrap\" fast-feedback 'two words'\n");
        scene
    }

    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn executable(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.write(path, content);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn manifest(&self, text: &str) {
        self.write("the action/dist/manifest", text.as_bytes());
    }

    /// Where the tool cache has the binary.
    pub(super) fn cached(&self) -> PathBuf {
        let platform = platform();
        let arch = platform.rsplit_once('-').unwrap().1;
        self.path(format!("tool cache/p2p/{VERSION}/{arch}/p2p"))
    }

    /// A directory that holds only these programs.
    pub(super) fn path_with(&self, programs: &[&str]) -> PathBuf {
        let directory = self.path("only these");
        std::fs::create_dir(&directory).unwrap();
        for program in programs {
            symlink(tool(program), directory.join(program)).unwrap();
        }
        directory
    }

    /// The step as the action has it, in a job's environment.
    pub(super) fn step(&self) -> Command {
        let mut step = Command::new(tool("bash"));
        step.args(["--noprofile", "--norc", "-p", "-e", "-o", "pipefail"])
            .arg(self.path("step.sh"))
            .current_dir(self.path("work space"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("."))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_ACTION_PATH", self.path("the action"))
            .env("RUNNER_TOOL_CACHE", self.path("tool cache"))
            .env("RUNNER_TEMP", self.path("runner temp"))
            .env("INPUT_GITHUB_TOKEN", "s3cret-token")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        step
    }

    /// The same step, downloading from `server`.
    pub(super) fn step_from(&self, server: &Server) -> Command {
        let mut step = self.step();
        step.env("INPUT_DOWNLOAD_BASE_URL", format!("{}/mirror/", server.url()));
        step
    }

    /// No temporary file may be left, whatever happened.
    pub(super) fn assert_nothing_left_over(&self) {
        for entry in walkdir::WalkDir::new(self.root.path()) {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(!name.starts_with(".new"), "left over: {name}");
        }
    }
}

pub(super) fn platform() -> String {
    let system = if cfg!(target_os = "macos") { "macos" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    format!("{system}-{arch}")
}

pub(super) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

pub(super) fn body() -> Answer {
    Answer::Body(BINARY.to_vec())
}

/// Runs it, asserts that p2p ran, and gives its words.
pub(super) fn started(step: &mut Command) -> String {
    let child = step.spawn().unwrap();
    let pid = child.id();
    ran(child, pid)
}

pub(super) fn ran(child: Child, pid: u32) -> String {
    let output = child.wait_with_output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    assert!(out.starts_with(&format!("p2p runs as {pid} from ")), "exec keeps the process: {out}");
    assert!(out.contains("p2p with: fast-feedback two words\n"), "{out}");
    assert!(!out.contains("INPUT_BINARY_PATH") && !out.contains("INPUT_DOWNLOAD_BASE_URL"), "{out}");
    out + &err
}

/// Runs it, asserts that it failed as a start does, and gives the plain text and the annotation.
pub(super) fn refused(step: &mut Command) -> (String, String) {
    let output = step.output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(69), "{out}{err}");
    assert!(!out.contains("p2p runs"), "{out}");
    assert!(!format!("{out}{err}").contains("s3cret"), "{out}{err}");
    assert!(err.contains("error: "), "{err}");
    let annotation = out.strip_prefix("::error title=p2p did not start::").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(annotation.lines().count(), 1, "{annotation}");
    (err, annotation.trim_end().to_owned())
}

pub(super) fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into(), String::from_utf8_lossy(&output.stderr).into())
}
