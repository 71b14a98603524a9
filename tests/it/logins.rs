//! Registry logins as the real docker, skopeo and buildah use them, against a registry that asks for a password.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ::oci::Digest;
use ::oci::logins::{Login, Logins, UserFiles};
use ::sys::error::Failure;
use ::workflow_commands::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::docker::Docker;
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};

/// An image of no layers in the OCI layout.
fn image(directory: &Path) -> String {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let store = |json: Json, media_type: &str| {
        let bytes = json.to_string();
        let digest = Digest::of(&bytes);
        fs::write(blobs.join(digest.hex()), &bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let config = store(
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}),
        "application/vnd.oci.image.config.v1+json",
    );
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = store(
        json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}),
        media_type,
    );
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(directory.join("index.json"), json!({"schemaVersion": 2, "manifests": [manifest]}).to_string())
        .unwrap();
    format!("oci:{}", directory.display())
}

/// A scene: the user's docker directory, our private directory, an image to push.
struct Scene {
    root: TempDir,
    image: String,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["docker", "private", "image"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let image = image(&root.path().join("image"));
        Self { root, image }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn user(&self) -> UserFiles {
        UserFiles { docker_directory: Some(self.path("docker")), auth_files: vec![self.path("auth.json")] }
    }

    fn logins(&self, logins: &[Login]) -> Logins {
        Logins::create(&self.path("private"), &self.user(), logins)
            .map_err(|error| Failure::from(error).to_string())
            .unwrap()
    }

    /// Pushes the image with the given login file; what skopeo says where it fails.
    fn push(&self, to: &str, variable: &str, file: &Path) -> Result<(), String> {
        let output = Command::new("skopeo")
            .args(["copy", "--dest-tls-verify=false", &self.image, &format!("docker://{to}:t")])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.root.path())
            .env(variable, file)
            .output()
            .unwrap_or_else(|error| panic!("skopeo is not installed: {error}"));
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
    }
}

fn login(registry: String, password: &str) -> Login {
    Login { registry, username: USER.to_owned(), password: Secret::new(password) }
}

/// The `auth` of an entry.
fn auth(password: &str) -> String {
    STANDARD.encode(format!("{USER}:{password}"))
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn skopeo_picks_the_login_of_each_path_and_sees_a_renewed_one() {
    let (registry, scene) = (DockerRegistry::start_with_login(), Scene::new());
    let host = registry.host();
    let (one, two) = (format!("{host}/acme-dev/tenant/shop"), format!("{host}/acme-prod/tenant/shop"));
    let logins = scene.logins(&[login(one.clone(), PASSWORD), login(two.clone(), "wrong")]);
    let push = |to: &str| scene.push(to, "REGISTRY_AUTH_FILE", logins.registry_auth_file());
    push(&format!("{one}/test/app")).unwrap();
    let refused = push(&format!("{two}/test/app")).unwrap_err();
    assert!(refused.contains("unauthorized") || refused.contains("authentication required"), "{refused}");
    push(&format!("{host}/elsewhere/app")).unwrap();

    logins.renew(&[login(one.clone(), "wrong"), login(two.clone(), PASSWORD)]).unwrap();
    push(&format!("{one}/test/app")).unwrap_err();
    push(&format!("{two}/test/app")).unwrap();
    push(&format!("{host}/elsewhere/app")).unwrap_err();
}

#[test]
fn docker_s_directory_logs_in_to_the_host() {
    let (registry, scene) = (DockerRegistry::start_with_login(), Scene::new());
    let to = format!("{}/acme/app", registry.host());
    fs::write(
        scene.path("docker/config.json"),
        json!({"auths": {(registry.host()): {"auth": auth("old")}}, "credHelpers": {(registry.host()): "none"}})
            .to_string(),
    )
    .unwrap();
    let logins = scene.logins(&[login(format!("{}/acme", registry.host()), "wrong")]);
    scene.push(&to, "DOCKER_CONFIG", logins.docker_config()).unwrap_err();
    logins.renew(&[login(format!("{}/acme", registry.host()), PASSWORD)]).unwrap();
    scene.push(&to, "DOCKER_CONFIG", logins.docker_config()).unwrap();
}

#[test]
fn the_user_s_own_login_reaches_what_we_do_not_log_in_to() {
    let (registry, scene) = (DockerRegistry::start_with_login(), Scene::new());
    let to = format!("{}/mine/app", registry.host());
    let entry = json!({"auth": auth(PASSWORD)});
    for (file, key) in [
        ("auth.json", format!("{}/mine", registry.host())),
        ("docker/config.json", registry.host().to_owned()),
    ] {
        let scene = Scene::new();
        fs::write(scene.path(file), json!({"auths": {key: entry}}).to_string()).unwrap();
        let logins = scene.logins(&[login(format!("{}/acme", registry.host()), "wrong")]);
        scene.push(&to, "REGISTRY_AUTH_FILE", logins.registry_auth_file()).unwrap();
    }
    let logins = scene.logins(&[]);
    scene.push(&to, "REGISTRY_AUTH_FILE", logins.registry_auth_file()).unwrap_err();
}

#[test]
fn a_target_s_own_login_survives_a_renewal() {
    let (registry, scene) = (DockerRegistry::start_with_login(), Scene::new());
    let logins = scene.logins(&[login("r.example/acme".to_owned(), "old")]);
    let status = Command::new("skopeo")
        .args(["login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, registry.host()])
        .env("REGISTRY_AUTH_FILE", logins.registry_auth_file())
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    logins.renew(&[login("r.example/acme".to_owned(), "new")]).unwrap();
    let to = format!("{}/acme/app", registry.host());
    scene.push(&to, "REGISTRY_AUTH_FILE", logins.registry_auth_file()).unwrap();
    let renewed = json!({"auth": auth("new")});
    assert_eq!(read(logins.registry_auth_file())["auths"]["r.example/acme"], renewed);
}

#[test]
fn the_user_s_directory_is_found_again_and_left_alone() {
    let scene = Scene::new();
    let config =
        json!({"auths": {"ghcr.io": {"auth": "eDp5"}}, "currentContext": "far", "experimental": "enabled"});
    fs::write(scene.path("docker/config.json"), config.to_string()).unwrap();
    fs::write(scene.path("docker/config.json1234"), "half written").unwrap();
    fs::create_dir_all(scene.path("docker/buildx/instances")).unwrap();
    fs::write(scene.path("docker/buildx/instances/builder"), "b").unwrap();
    fs::create_dir_all(scene.path("docker/cli-plugins")).unwrap();
    symlink("/nowhere/docker-buildx", scene.path("docker/cli-plugins/docker-buildx")).unwrap();
    fs::create_dir_all(scene.path("docker/contexts/meta")).unwrap();

    let logins = scene.logins(&[login("r.example/acme".to_owned(), PASSWORD)]);
    let ours = logins.docker_config();
    assert_eq!(fs::read_to_string(ours.join("buildx/instances/builder")).unwrap(), "b");
    assert!(ours.join("cli-plugins/docker-buildx").is_symlink());
    assert!(ours.join("contexts/meta").is_dir());
    assert!(!ours.join("config.json1234").exists());
    let mut expected = config.clone();
    expected["auths"]["r.example"] = json!({"auth": auth(PASSWORD)});
    assert_eq!(read(&ours.join("config.json")), expected);
    // What a target makes in a directory that the user has, the user keeps.
    fs::write(ours.join("buildx/instances/new"), "n").unwrap();
    assert!(scene.path("docker/buildx/instances/new").exists());

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(ours), 0o700);
    assert_eq!(mode(&ours.join("config.json")), 0o600);
    assert_eq!(mode(logins.registry_auth_file()), 0o600);
    logins.renew(&[login("r.example/acme".to_owned(), "newer")]).unwrap();
    assert_eq!(mode(&ours.join("config.json")), 0o600);
    assert_eq!(read(&scene.path("docker/config.json")), config);
}

#[test]
fn a_user_without_files_gets_logins() {
    let scene = Scene::new();
    fs::remove_dir(scene.path("docker")).unwrap();
    let logins = scene.logins(&[login("r.example".to_owned(), PASSWORD)]);
    let expected = json!({"auths": {"r.example": {"auth": auth(PASSWORD)}}});
    assert_eq!(read(&logins.docker_config().join("config.json")), expected);
    assert_eq!(read(logins.registry_auth_file()), expected);
    let entries = fs::read_dir(logins.docker_config()).unwrap().count();
    assert_eq!(entries, 1);
}

#[test]
fn a_file_that_is_no_login_file_is_named_and_not_quoted() {
    for text in ["s3cret", r#"{"auths": "s3cret"}"#, r#"["s3cret"]"#] {
        let scene = Scene::new();
        fs::write(scene.path("docker/config.json"), text).unwrap();
        let error = Logins::create(&scene.path("private"), &scene.user(), &[]).unwrap_err();
        let shown = Failure::from(error).to_string();
        assert!(shown.contains("docker/config.json holds no logins in JSON (line 1)"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn logins_that_cannot_be_are_refused() {
    let scene = Scene::new();
    let refused = |registry: &str, username: &str| {
        let login = Login {
            registry: registry.to_owned(),
            username: username.to_owned(),
            password: Secret::new("s3cret"),
        };
        Logins::create(&scene.path("private"), &scene.user(), &[login]).unwrap_err().to_string()
    };
    assert_eq!(refused("https://r.example", "u"), "\"https://r.example\" is not a registry");
    assert_eq!(refused("", "u"), "\"\" is not a registry");
    let expected = "the user name for the registry r.example is empty or holds a `:`";
    assert_eq!(refused("r.example", "a:b"), expected);
    assert_eq!(refused("r.example", ""), expected);
}

#[test]
fn docker_pushes_with_our_directory_and_buildah_with_our_auth_file() {
    let (registry, scene, docker) = (DockerRegistry::start_with_login(), Scene::new(), Docker::start());
    let image = format!("{}/acme/app:t", registry.host());
    // The user's own store must not come before our login, and docker and buildah refuse a whole file for one
    // entry of the wrong form.
    let theirs = json!({"credsStore": "absent", "credHelpers": {"x.example": null}, "auths": {
        "a.example": {"auth": "!"}, "b.example": null, "c.example": "text", "d.example": {"auth": "dT\npw", "email": 5}
    }});
    fs::write(scene.path("docker/config.json"), theirs.to_string()).unwrap();
    let logins = scene.logins(&[login(format!("{}/acme", registry.host()), "old")]);
    docker.base_image(&image);
    let push = || {
        let push = docker
            .command()
            .args(["push", "--quiet", &image])
            .env("DOCKER_CONFIG", logins.docker_config())
            .output();
        let output = push.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (pushed, error) = push();
    assert!(!pushed && (error.contains("unauthorized") || error.contains("no basic auth")), "{error}");
    logins.renew(&[login(format!("{}/acme", registry.host()), PASSWORD)]).unwrap();
    assert_eq!(push(), (true, String::new()));
    assert_eq!(registry.tags("acme/app"), ["t"]);

    let buildah = |arguments: &[&str]| {
        let output = Command::new("buildah")
            .args(["--storage-driver", "vfs", "--root", scene.path("root").to_str().unwrap()])
            .args(["--runroot", scene.path("run").to_str().unwrap()])
            .args(arguments)
            .env("HOME", scene.root.path())
            .env("REGISTRY_AUTH_FILE", logins.registry_auth_file())
            .output()
            .unwrap_or_else(|error| panic!("buildah is not installed: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let container = buildah(&["from", "--isolation", "chroot", "scratch"]);
    let built = buildah(&["commit", "--quiet", &container]);
    buildah(&[
        "push",
        "--quiet",
        "--tls-verify=false",
        &built,
        &format!("docker://{}/acme/built:t", registry.host()),
    ]);
    assert_eq!(registry.tags("acme/built"), ["t"]);
}
