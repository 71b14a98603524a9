//! What recipes share with others on the machine, in whatever directory they run.

use super::database::Recipe;
use super::location::Location;
use super::variables::Variables;

/// Something outside the workspace that two targets cannot use at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shared {
    /// A container, network, volume or port with a fixed name.
    Containers,
    /// gcloud's directory in the home directory.
    Gcloud,
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Containers => "name containers",
            Self::Gcloud => "write `~/.config/gcloud`",
        })
    }
}

/// Container engines with docker's command line.
const ENGINES: [&str; 4] = ["docker", "podman", "nerdctl", "finch"];

/// The programs for compose projects, which have names of their own.
const COMPOSE: [&str; 2] = ["docker-compose", "podman-compose"];

/// The commands of an engine that take the name of a container.
const OF_A_CONTAINER: [&str; 13] = [
    "attach", "cp", "exec", "kill", "logs", "pause", "rename", "restart", "rm", "start", "stop", "unpause",
    "wait",
];

/// The commands about images and builders.
const OF_IMAGES: [&str; 12] = [
    "build", "builder", "buildx", "image", "images", "inspect", "load", "login", "manifest", "pull", "push",
    "tag",
];

/// What the recipe of a target uses, and the targets that it runs through another make.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) shared: Vec<(Shared, Location)>,
    pub(super) made: Vec<String>,
}

/// Reads a recipe. In doubt, it reports a use: waiting costs two targets some time, but a collision breaks them.
pub(super) fn used(recipe: &Recipe, variables: &Variables) -> Used {
    let text = variables.expand(&recipe.text).replace("\\\n", " ").replace(['\'', '"'], " ");
    let mut used = Used::default();
    let mut found = [
        (Shared::Containers, false),
        (Shared::Gcloud, text.contains(".config/gcloud") || text.contains("application_default_credentials")),
    ];
    for command in text.split([';', '|', '\n', '`']).flat_map(|part| part.split("&&")) {
        let words: Vec<&str> = command.split_ascii_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let rest = &words[at + 1..];
            // `@docker` and `-docker` contain prefixes of make, `id=$(docker` and `(docker` those of the shell.
            let word = word.trim_start_matches(['@', '-', '+']);
            let program = word.rsplit(['/', '(', '{', '=', '@']).next().unwrap_or(word);
            found[0].1 |= COMPOSE.contains(&program) || ENGINES.contains(&program) && names_containers(rest);
            found[1].1 |= program == "gcloud" && rest.iter().any(|word| matches!(*word, "auth" | "config"));
            if matches!(program, "make" | "gmake") {
                used.made.extend(rest.iter().map(|word| (*word).to_owned()));
            }
        }
    }
    used.shared.extend(found.iter().filter(|(_, is)| *is).map(|(shared, _)| (*shared, recipe.place.clone())));
    used
}

/// Whether the arguments of a container engine name something that exists only once on a machine.
fn names_containers(arguments: &[&str]) -> bool {
    let known = |word: &&str| {
        OF_A_CONTAINER.contains(word)
            || OF_IMAGES.contains(word)
            || matches!(*word, "compose" | "create" | "network" | "run" | "volume")
    };
    let Some(command) = arguments.iter().position(known) else { return false };
    let rest = &arguments[command + 1..];
    match arguments[command] {
        "compose" => true,
        "network" | "volume" => rest.iter().any(|word| matches!(*word, "create" | "rm" | "connect")),
        "create" | "run" => rest.iter().enumerate().any(|(at, word)| {
            let option = word.split('=').next().unwrap_or(word);
            matches!(option, "--name" | "--publish") || publishes(word, rest.get(at + 1))
        }),
        // The id of an unnamed container is in a variable of the shell.
        command => OF_A_CONTAINER.contains(&command) && rest.iter().any(|word| !word.starts_with(['-', '$'])),
    }
}

/// Whether a short option publishes a port: `-p 8080:80`, `-p8080:80`, `-dp 80`.
fn publishes(word: &str, next: Option<&&str>) -> bool {
    let Some(letters) = word.strip_prefix('-') else { return false };
    let Some(port) = letters.trim_start_matches(['d', 'i', 't', 'q', 'P']).strip_prefix('p') else {
        return false;
    };
    let port = if port.is_empty() { next.copied().unwrap_or_default() } else { port };
    port.starts_with(|c: char| c.is_ascii_digit()) || port.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Used {
        let recipe = Recipe { place: Location { file: "Makefile".into(), line: 1 }, text: text.to_owned() };
        let lines = [
            "# makefile (from 'm', line 1)",
            "NAME = app",
            "# makefile (from 'm', line 2)",
            "ENGINE ?= podman",
            "# makefile (from 'm', line 3)",
            "start = docker run -d --name $(1)",
            "# default",
            "MAKE = $(MAKE_COMMAND)",
            "# default",
            "MAKE_COMMAND := make",
        ];
        used(&recipe, &Variables::parse(&lines.map(str::as_bytes)))
    }

    #[test]
    fn recipes_that_name_containers_are_found() {
        for text in [
            "docker run --name app image",
            "@docker run -d --name=app image",
            "-docker rm -f app",
            "cd x && sudo /usr/bin/docker container run --rm --name $(NAME) image",
            "docker --context c run -dp 8080:80 image",
            "docker run -p8080:80 image",
            "docker run --publish=80:80 image",
            "$(ENGINE) create --name app image",
            "nerdctl run \\\n  --rm \\\n  --name app image",
            "docker-compose up -d",
            "docker compose -p shop up",
            "podman compose up",
            "podman-compose up",
            "$(call start,app) image",
            "sh -c 'docker run --name \"app\" image'",
            "id=$$(docker run -d --name app image)",
            "if x; then docker exec app true; fi",
            "docker network create shop",
            "$(or $(DOCKER),docker) stop app",
        ] {
            let shared = of(text).shared;
            assert!(matches!(shared.as_slice(), [(Shared::Containers, _)]), "{text}: {shared:?}");
        }
        for text in [
            "docker run --rm -v ${PWD}:/work image sh -c 'mkdir -p /results'",
            "docker run --rm -t image run --vus 10",
            "id=$$(docker run -d image); docker logs $$id; docker rm -f $$id",
            "docker build -t app . && docker push app",
            "docker buildx create --name p2p",
            "docker image rm app",
            "kubectl run --name app",
            "echo docker",
            "helm upgrade --install $(NAME) --namespace x",
            "mkdir -p results",
        ] {
            assert_eq!(of(text).shared, [], "{text}");
        }
    }

    #[test]
    fn recipes_that_write_for_gcloud_are_found() {
        for text in [
            "cat $$GOOGLE_APPLICATION_CREDENTIALS >> ~/.config/gcloud/application_default_credentials.json",
            "mkdir -p $(HOME)/.config/gcloud",
            "docker run --rm -v $$HOME/.config/gcloud:/root/.config/gcloud image",
            "@gcloud --quiet auth login --cred-file=x",
            "gcloud config set project p",
        ] {
            assert!(matches!(of(text).shared.as_slice(), [(Shared::Gcloud, _)]), "{text}");
        }
        for text in ["gcloud run deploy app", "gcloud container clusters list", "cat ~/.config/other"] {
            assert_eq!(of(text).shared, [], "{text}");
        }
    }

    #[test]
    fn targets_of_a_make_within_are_found() {
        assert_eq!(of("$(MAKE) -s start\ncd x && make up").made, ["-s", "start", "up"]);
    }
}
