//! A real Docker Engine of the test's own: `dockerd` on a socket in a directory that goes with it.
//!
//! ```ignore
//! let docker = Docker::start();
//! docker.base_image("busybox:test");
//! let output = docker.command().args(["build", "--tag", &image, "."]).output().unwrap();
//! ```
//!
//! A Makefile reaches this engine through the variable of [`Docker::variable`]. The engine has no network of
//! its own and no registry to pull from: base images are `scratch` and [`Docker::base_image`], and a
//! container runs with `--network host` or `none`. Registries on loopback need no TLS.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::tools::tool;

/// A running engine. It ends, with its containers, when this is dropped.
pub(crate) struct Docker {
    process: Child,
    directory: tempfile::TempDir,
}

impl Docker {
    /// Starts the engine and waits until it answers.
    pub(crate) fn start() -> Self {
        // A socket's path has at most 107 bytes, so it cannot be in a TMPDIR of any length.
        let directory = tempfile::Builder::new().prefix("dockerd").tempdir_in("/tmp").unwrap();
        let at = |name: &str| directory.path().join(name);
        let host = format!("unix://{}", at("socket").display());
        let group = command_output("id", &["-g"]);
        let mut process = as_root(&tool("dockerd"))
            .args([OsStr::new("--data-root"), at("data").as_os_str()])
            .args([OsStr::new("--exec-root"), at("exec").as_os_str()])
            .args([OsStr::new("--pidfile"), at("pid").as_os_str()])
            .args(["--host", &host, "--group", &group])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("dockerd (Debian's package docker.io): {error}"));
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = String::new();
        let ready = log.any(|line| {
            before.push_str(&line);
            before.push('\n');
            line.contains("API listen on")
        });
        assert!(ready, "dockerd did not start; it needs root or sudo:\n{before}");
        // Its log goes on; a full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, directory }
    }

    /// The variable that leads `docker` to this engine.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        ("DOCKER_HOST", format!("unix://{}", self.directory.path().join("socket").display()))
    }

    /// The docker CLI for this engine, with no login and no other configuration of the user's.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(tool("docker"));
        let (name, value) = self.variable();
        command.env(name, value).env("DOCKER_CONFIG", self.directory.path().join("config"));
        command.env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
        command
    }

    /// Runs `docker` with these arguments and returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Builds an image from nothing with a static busybox in it, `sh` included.
    pub(crate) fn base_image(&self, name: &str) {
        let context = tempfile::tempdir().unwrap();
        fs::copy(tool("busybox"), context.path().join("busybox")).unwrap();
        let dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\n\
                          RUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nCMD [\"/bin/sh\"]\n";
        fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
        let context = context.path().to_str().unwrap();
        self.run(&["build", "--quiet", "--network", "none", "--tag", name, context]);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let directory = self.directory.path();
        if let Ok(pid) = fs::read_to_string(directory.join("pid")) {
            let _ = as_root(Path::new("kill")).arg(pid.trim()).status();
            let _ = self.process.wait();
        }
        // The network that containers shared with the host stays mounted. What the engine left belongs to root.
        let network = directory.join("exec/netns/default");
        let _ = as_root(Path::new("umount")).arg(network).stderr(Stdio::null()).status();
        let _ = as_root(Path::new("rm")).arg("-rf").arg(directory).status();
    }
}

/// A command that runs as root: with sudo where the tests do not.
fn as_root(program: &Path) -> Command {
    if command_output("id", &["-u"]) == "0" {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--non-interactive").arg(program);
    command
}

fn command_output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
