//! A corpus of Makefiles, read by the real GNU make.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod assigned;
mod trouble;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::sys::error::Help;
use ::sys::world::Env;
use p2p::edges::make::{Location, MakeError, Makefile, ProbeRequest, State, VariableOrigin, images, probe};

/// A directory with a Makefile.
struct Corpus {
    root: tempfile::TempDir,
    env: Env,
    directory: PathBuf,
}

impl Corpus {
    #[must_use]
    fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("work space");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir(root.path().join("scratch")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let env = Env::from_iter([("PATH", path), ("HOME", root.path().into())]);
        Self { root, env, directory }
    }

    #[must_use]
    fn new(makefile: impl AsRef<[u8]>) -> Self {
        Self::empty().file("Makefile", makefile)
    }

    #[must_use]
    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    #[must_use]
    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.set(name, value);
        self
    }

    async fn ask(&self, targets: &[&str], variables: &[&str]) -> Result<Makefile, MakeError> {
        probe(ProbeRequest {
            directory: &self.directory,
            env: &self.env,
            scratch: &self.root.path().join("scratch"),
            targets,
            variables,
            given: &["REGISTRY", "VERSION", "P2P_VERSION", "KUBECONFIG"],
            limit: Duration::from_mins(1),
        })
        .await
    }

    async fn read(&self) -> Makefile {
        let makefile = self.ask(&["p2p-build", "p2p-missing"], &[]).await.unwrap();
        assert_eq!(makefile.target("p2p-missing").state, State::Missing);
        assert_eq!(fs::read_dir(self.root.path().join("scratch")).unwrap().count(), 0);
        makefile
    }

    async fn broken(&self) -> (String, Option<Location>) {
        match self.ask(&["p2p-build"], &[]).await {
            Err(error @ MakeError::Broken { .. }) => {
                assert!(error.help().is_some());
                let text = error.to_string();
                let MakeError::Broken { place, .. } = error else { unreachable!() };
                (text, place)
            }
            other => unreachable!("not broken: {other:?}"),
        }
    }

    async fn images(&self) -> Result<Vec<String>, MakeError> {
        let scratch = self.root.path().join("scratch");
        let names = images(&self.directory, &self.env, &[], &scratch).await;
        assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
        names
    }

    fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn at(file: &str, line: u64) -> Location {
    Location { file: file.into(), line }
}

fn defined(places: &[Location]) -> State {
    State::Defined { recipes: places.to_vec() }
}

#[tokio::test]
async fn the_four_states_are_told_apart() {
    let corpus = Corpus::new(
        ".PHONY: p2p-build p2p-nft p2p-functional\n\
         p2p-build: build-app | push-app\n\
         p2p-functional:\n\techo\n\
         p2p-blank: ;\n\
         p2p-bare:\n\
         build-app:\n\techo build \\\n# Files\n\ttwice\n\
         push-app: ; echo push\n\
         X: p2p-mentioned\n",
    );
    let makefile = corpus.ask(&["p2p-mentioned", "X"], &[]).await.unwrap();
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("Makefile", 8), at("Makefile", 11)]));
    assert_eq!(makefile.target("p2p-functional").state, defined(&[at("Makefile", 4)]));
    for empty in ["p2p-nft", "p2p-blank", "p2p-bare"] {
        assert_eq!(makefile.target(empty).state, State::Empty, "{empty}");
    }
    assert_eq!(makefile.target("p2p-mentioned").state, State::Missing);
    assert_eq!(makefile.target("p2p-never-asked").state, State::Missing);
    assert_eq!(makefile.target("X").state, defined(&[]));
    assert_eq!(makefile.files, [PathBuf::from("Makefile")]);
    let all: Vec<_> = makefile.p2p_targets().collect();
    assert_eq!(all, ["p2p-bare", "p2p-blank", "p2p-build", "p2p-functional", "p2p-nft"]);
}

#[tokio::test]
async fn no_recipe_runs_whatever_its_lines_are() {
    let corpus = Corpus::new(
        ".PHONY: p2p-build\n\
         p2p-build: dep\n\t+touch plus\n\t$(MAKE) -f sub.mk all\n\t${MAKE} nothing\n\t+@touch silent\n\
         dep:\n\t+touch dep\n\
         all:\n\t+touch first-goal\n",
    )
    .file("sub.mk", "all:\n\ttouch sub\n");
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 3)]));
    assert_eq!(corpus.names(), ["Makefile", "sub.mk"]);
}

#[tokio::test]
async fn catch_alls_define_nothing_and_do_not_run_for_missing_includes() {
    for rule in ["%:\n\t+touch caught\n", "%::\n\t+touch caught\n", ".DEFAULT:\n\t+touch caught\n"] {
        for include in ["", "-include local.mk\n", "sinclude local.mk\n"] {
            let corpus = Corpus::new(format!("{include}p2p-nft: ; echo\n{rule}"));
            let makefile = corpus.read().await;
            assert_eq!(makefile.target("p2p-build").state, State::Missing, "{rule}");
            assert_eq!(makefile.target("p2p-nft").state, defined(&[at("Makefile", makefile_line(include))]));
            assert_eq!(corpus.names(), ["Makefile"], "{rule}{include}");
        }
    }
}

/// The line after the includes.
fn makefile_line(include: &str) -> u64 {
    1 + include.lines().count() as u64
}

#[tokio::test]
async fn a_missing_include_that_a_catch_all_takes_is_not_broken_as_for_make_itself() {
    let corpus = Corpus::new("include local.mk\np2p-build:\n\techo\n%:\n\t+@touch caught\n");
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 3)]));
    assert_eq!(corpus.names(), ["Makefile"]);
}

#[tokio::test]
async fn a_pattern_with_a_literal_part_defines_what_is_not_phony() {
    let corpus = Corpus::new(
        ".PHONY: p2p-nft\n\
         p2p-build: p2p-real\n\
         p2p-%:\n\techo $*\n\
         %-late: src-%\n\techo\n\
         push-%: | tools\n\techo\n\
         tools: ; echo\n\
         promote: push-prod\n",
    )
    .file("src-file", "");
    let asked = ["p2p-build", "p2p-functional", "p2p-nft", "file-late", "none-late", "push-x", "promote"];
    let makefile = corpus.ask(&asked, &[]).await.unwrap();
    let state = |name: &str| makefile.target(name).state;
    assert_eq!(state("p2p-functional"), defined(&[at("Makefile", 4)]));
    assert_eq!(state("p2p-build"), defined(&[at("Makefile", 4)]));
    assert_eq!(state("p2p-nft"), State::Empty);
    assert_eq!(state("file-late"), defined(&[at("Makefile", 6)]));
    assert_eq!(state("none-late"), State::Missing);
    assert_eq!(state("push-x"), defined(&[at("Makefile", 8)]));
    assert_eq!(state("promote"), defined(&[at("Makefile", 8)]));
}

#[tokio::test]
async fn the_pattern_with_the_shortest_stem_wins() {
    let corpus = Corpus::new("p2p-%:\n\techo\np2p-bu%:\n\techo\n");
    assert_eq!(corpus.read_any("p2p-build").await, defined(&[at("Makefile", 4)]));
}

impl Corpus {
    async fn read_any(&self, target: &str) -> State {
        self.ask(&[target], &[]).await.unwrap().target(target).state
    }
}

#[tokio::test]
async fn a_file_or_directory_of_the_name_defines_nothing_but_may_shadow_a_target() {
    let corpus = Corpus::new(
        ".PHONY: p2p-nft\np2p-functional:\n\techo\np2p-nft:\n\techo\np2p-prod: p2p-nft\n\techo\n",
    )
    .file("p2p-build/Dockerfile", "")
    .file("p2p-functional/test.js", "")
    .file("p2p-nft/test.js", "")
    .file("p2p-prod/main.tf", "");
    let makefile = corpus.read().await;
    assert_eq!(makefile.target("p2p-build").state, State::Missing);
    assert!(makefile.target("p2p-functional").shadowed, "make would call the directory up to date");
    assert!(!makefile.target("p2p-nft").shadowed, "it is phony");
    assert!(!makefile.target("p2p-prod").shadowed, "it has a phony prerequisite");
    assert!(!makefile.target("p2p-build").shadowed);
}

#[tokio::test]
async fn includes_are_read_and_recipes_placed_in_their_files() {
    let corpus = Corpus::new(
        "include mk/team.mk mk/more.mk\n-include mk/none.mk\np2p-build: build-app\n\
         p2p-promote-to-prod: check\n",
    )
    .file("mk/team.mk", "build-app:\n\techo\ncheck:\n\techo\n")
    .file("mk/more.mk", "p2p-promote-to-prod:\n\techo\n\np2p-nft: more-nft\nmore-nft: ; echo\n");
    let makefile = corpus.read().await;
    assert_eq!(makefile.files, ["Makefile", "mk/team.mk", "mk/more.mk"].map(PathBuf::from));
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("mk/team.mk", 2)]));
    let own = defined(&[at("mk/more.mk", 2)]);
    assert_eq!(makefile.target("p2p-promote-to-prod").state, own, "its own recipe, not its prerequisite's");
    assert_eq!(makefile.target("p2p-nft").state, defined(&[at("mk/more.mk", 5)]));
}

#[tokio::test]
async fn an_include_that_is_downloaded_while_reading_is_downloaded_once() {
    let corpus = Corpus::new(
        "P2P_APP_NAME ?= shop\n$(shell sh ./download)\ninclude .p2p.mk\n\
         p2p-build: build-app push-app\nbuild-app: ; docker build .\np2p-functional: deploy-functional\n\
         deploy-%: ; echo $(p2p_namespace)\n",
    )
    .file("download", "echo call >> calls; cp downloaded .p2p.mk; echo loading... >&2\n")
    .file(
        "downloaded",
        "P2P_TENANT_NAME ?= acme\n\
         .PHONY: p2p-build p2p-functional p2p-nft p2p-integration p2p-promote-to-extended-test\n\
         %-functional: p2p_namespace=$(P2P_TENANT_NAME)-$(P2P_APP_NAME)-functional\n\
         p2p-promote-to-extended-test: p2p-promote-generic\n\
         p2p-promote-generic:\n\techo promote\n\
         push-%:\n\tdocker push $*\n",
    );
    let names = ["p2p-build", "p2p-integration"];
    let makefile = corpus.ask(&names, &["P2P_TENANT_NAME", "P2P_APP_NAME"]).await.unwrap();
    assert_eq!(fs::read_to_string(corpus.directory.join("calls")).unwrap(), "call\n");
    let state = |name: &str| makefile.target(name).state;
    assert_eq!(state("p2p-build"), defined(&[at("Makefile", 5), at(".p2p.mk", 8)]));
    assert_eq!(state("p2p-functional"), defined(&[at("Makefile", 7)]));
    assert_eq!(state("p2p-integration"), State::Empty);
    assert_eq!(state("p2p-promote-to-extended-test"), defined(&[at(".p2p.mk", 6)]));
    assert_eq!(makefile.variable("P2P_TENANT_NAME").unwrap().value, "acme");
}

#[tokio::test]
async fn an_include_that_a_rule_makes_is_made_and_then_read() {
    let corpus =
        Corpus::new("include gen.mk\ngen.mk:\n\techo 'p2p-build: ; echo' > $@\n$(shell echo >> reads)\n");
    let makefile = corpus.read().await;
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("gen.mk", 1)]));
    assert_eq!(makefile.files, ["Makefile", "gen.mk"].map(PathBuf::from));
}

#[tokio::test]
async fn shells_of_the_makefile_run_once_and_see_the_flags_of_an_ordinary_run() {
    let corpus = Corpus::new(
        "STAMP := $(shell echo x >> calls)\n$(shell echo '[$(MAKEFLAGS)]' >> flags)\n\
         p2p-build: ; echo $(shell echo y >> calls)\n",
    );
    corpus.read().await;
    assert_eq!(fs::read_to_string(corpus.directory.join("calls")).unwrap(), "x\n");
    assert_eq!(fs::read_to_string(corpus.directory.join("flags")).unwrap(), "[]\n");
}

#[tokio::test]
async fn double_colon_rules_several_targets_and_static_patterns() {
    let corpus = Corpus::new(
        "p2p-build:: a\n\techo 1\np2p-build:: b\na: ; echo\nb: ; echo\n\
         p2p-nft p2p-functional: a\n\techo\n\
         p2p-x p2p-y: p2p-%: in-%\n\techo\n\
         in-x in-y: ;\n\
         p2p-g p2p-h &: a\n\techo\n",
    );
    let makefile = corpus.read().await;
    let state = |name: &str| makefile.target(name).state;
    assert_eq!(state("p2p-build"), defined(&[at("Makefile", 2), at("Makefile", 5)]));
    for name in ["p2p-nft", "p2p-functional"] {
        assert_eq!(state(name), defined(&[at("Makefile", 7)]), "{name}");
    }
    for name in ["p2p-x", "p2p-y"] {
        assert_eq!(state(name), defined(&[at("Makefile", 9)]), "{name}");
    }
    for name in ["p2p-g", "p2p-h"] {
        assert_eq!(state(name), defined(&[at("Makefile", 12)]), "{name}");
    }
}

#[tokio::test]
async fn targets_made_by_define_call_eval_and_variables() {
    let corpus = Corpus::new(
        "define target\np2p-$(1):\n\techo $(1)\nendef\n\
         $(foreach t,functional nft,$(eval $(call target,$(t))))\n\
         NAME = build\np2p-$(NAME): ; echo\n\
         define fake\n# Files\n\np2p-fake:\n#  Phony target\nendef\n\
         define body\necho 1\necho 2\nendef\n\
         p2p-prod:\n\t$(body)\n",
    );
    let makefile = corpus.read().await;
    assert_eq!(
        makefile.p2p_targets().collect::<Vec<_>>(),
        ["p2p-build", "p2p-functional", "p2p-nft", "p2p-prod"]
    );
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("Makefile", 7)]));
    let State::Defined { recipes } = makefile.target("p2p-nft").state else { unreachable!() };
    assert_eq!(recipes.len(), 1);
    assert_eq!(recipes[0].file, Path::new("Makefile"));
}

#[tokio::test]
async fn variables_of_targets_and_patterns_define_nothing() {
    let corpus = Corpus::new(
        ".PHONY: p2p-nft\n\
         p2p-build: p2p_namespace=a\np2p-nft: export X := y\n%-functional: p2p_namespace=b\n\
         define nl\n\n\nendef\n\
         $(eval p2p-nft: MSG := one$(nl)p2p-build: two)\n\
         p2p-prod: private Q = 1\np2p-prod: ; echo\n",
    );
    let makefile = corpus.ask(&["p2p-functional", "p2p-build"], &[]).await.unwrap();
    assert_eq!(makefile.target("p2p-nft").state, State::Empty);
    assert_eq!(makefile.target("p2p-functional").state, State::Missing);
    assert_eq!(makefile.target("p2p-prod").state, defined(&[at("Makefile", 11)]));
}

#[tokio::test]
async fn only_prerequisites_missing_ones_and_circles_are_defined() {
    let corpus = Corpus::new(
        ".PHONY: p2p-build\np2p-build: a\na: b\nb: a c\nc: ; echo\np2p-nft: nowhere\np2p-prod: | setup\nsetup:\n\techo\n",
    );
    let makefile = corpus.read().await;
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("Makefile", 5)]));
    assert_eq!(makefile.target("p2p-nft").state, defined(&[]));
    assert_eq!(makefile.target("p2p-prod").state, defined(&[at("Makefile", 9)]));
}

#[tokio::test]
async fn settings_of_a_makefile_do_not_mislead_us() {
    let settings = [
        ".ONESHELL:\nSHELL := /bin/bash\n.SHELLFLAGS := -eu -o pipefail -c",
        "SHELL := /nonexistent",
        ".SILENT:\n.POSIX:\n.NOTPARALLEL:\n.DELETE_ON_ERROR:\n.EXPORT_ALL_VARIABLES:",
        "MAKEFLAGS += --no-print-directory -j",
        "MAKEFLAGS += --warn-undefined-variables",
        "MAKEFLAGS := -n -k",
        "MAKEFLAGS += -B\nMakefile: ;",
        "MAKEFLAGS += -s -Otarget",
        "MAKEFLAGS += -rR\n.SUFFIXES:",
        "override MAKEFLAGS += --trace",
        ".DEFAULT_GOAL := help\nhelp: ; +touch help",
        "unexport P2P_APP_NAME LC_ALL",
        ".SECONDEXPANSION:\n.SECONDARY:\n.PRECIOUS: %.o",
        "export\nVPATH = src",
        "all: ; +touch all\n.DEFAULT_GOAL := all",
        "$(info # Files)\n$(warning p2p-missing: careful)",
        "vpath %.c src\n.c.o: ; echo\n%.o: %.c ; echo",
        "ifneq (,$(filter-out p2p-%,$(MAKECMDGOALS)))\n$(error goals)\nendif",
    ];
    for setting in settings {
        let corpus = Corpus::new(format!("{setting}\np2p-build:\n\techo $(UNDEFINED)\n"));
        let line = 2 + setting.lines().count() as u64;
        assert_eq!(
            corpus.read().await.target("p2p-build").state,
            defined(&[at("Makefile", line)]),
            "{setting}"
        );
        assert_eq!(corpus.names(), ["Makefile"], "{setting}");
    }
}

#[tokio::test]
async fn another_recipe_prefix_is_understood() {
    let corpus = Corpus::new(
        "p2p-nft:\n\techo\n.RECIPEPREFIX = >\np2p-build:\n>echo \\\n#  Phony target\n>echo\np2p-x: p2p-y\n.PHONY: p2p-y\npush-%:\n>echo\n",
    );
    let makefile = corpus.ask(&["push-app"], &[]).await.unwrap();
    assert_eq!(makefile.target("push-app").state, defined(&[at("Makefile", 11)]));
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("Makefile", 5)]));
    assert_eq!(makefile.target("p2p-nft").state, defined(&[at("Makefile", 2)]));
    assert_eq!(makefile.target("p2p-y").state, State::Empty);
}

#[tokio::test]
async fn second_expansion_still_defines() {
    let corpus = Corpus::new(".SECONDEXPANSION:\nDEPS = a\np2p-build: $$(DEPS)\na: ; echo\n");
    assert!(matches!(corpus.read().await.target("p2p-build").state, State::Defined { .. }));
}

#[tokio::test]
async fn carriage_returns_and_bytes_that_are_no_utf8() {
    let corpus = Corpus::new(
        b".PHONY: p2p-build\r\nP2P_APP_NAME = shop\r\nNOTE = caf\xe9\r\np2p-build: caf\xe9\r\ncaf\xe9: ; echo \xff\r\n\
          include caf\xe9.mk\r\n",
    );
    let include = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9.mk"));
    fs::write(corpus.directory.join(&include), "p2p-nft: ; echo\n").unwrap();
    let makefile = corpus.ask(&["p2p-build"], &["P2P_APP_NAME", "NOTE"]).await.unwrap();
    assert_eq!(makefile.target("p2p-build").state, defined(&[at("Makefile", 5)]));
    assert_eq!(makefile.target("p2p-nft").state, defined(&[Location { file: include.clone(), line: 1 }]));
    assert_eq!(makefile.files[1], include);
    assert_eq!(makefile.variable("P2P_APP_NAME").unwrap().value, "shop");
    assert_eq!(makefile.variable("NOTE").unwrap().value, "caf\u{fffd}");
}

#[tokio::test]
async fn variables_are_expanded_and_their_origin_told() {
    let corpus = Corpus::new(
        "P2P_TENANT_NAME ?= from-file\nP2P_APP_NAME ?= $(P2P_TENANT_NAME)-app  # a comment\nEMPTY =\n\
         REQUIRED ?= $(error say REQUIRED)\nBRACED ?= $(or $(X),${error say BRACED})\ndefine LINES\none\ntwo\nendef\np2p-build: ; echo\n",
    )
    .env("P2P_TENANT_NAME", "acme")
    .env("FROM_ENV", "$(shell touch ran)x")
    .env("MAKEFLAGS", " --warn-undefined-variables -- GIVEN=yes");
    let names =
        ["P2P_TENANT_NAME", "P2P_APP_NAME", "EMPTY", "UNDEFINED", "REQUIRED", "BRACED", "LINES", "GIVEN"];
    let makefile = corpus.ask(&[], &names).await.unwrap();
    let message = |name: &str| makefile.variable(name).map(|it| (it.value.as_str(), it.origin));
    assert_eq!(message("P2P_TENANT_NAME"), Some(("acme", VariableOrigin::Environment)));
    assert_eq!(message("P2P_APP_NAME"), Some(("acme-app", VariableOrigin::File)));
    assert_eq!(message("EMPTY"), Some(("", VariableOrigin::File)));
    assert_eq!(message("UNDEFINED"), None);
    assert_eq!(message("REQUIRED"), None, "expanding it would end make");
    assert_eq!(message("BRACED"), None);
    assert_eq!(message("LINES"), Some(("one\ntwo", VariableOrigin::File)));
    assert_eq!(message("GIVEN"), Some(("yes", VariableOrigin::Make)));
    assert_eq!(message("FROM_ENV"), None, "nobody asked");
    assert!(!corpus.has("ran"));
}

#[tokio::test]
async fn a_variable_that_cannot_be_expanded_is_named() {
    let corpus =
        Corpus::new("need = $(error say $(1))\nP2P_APP_NAME = $(call need,app)\np2p-build: ; echo\n");
    assert!(corpus.ask(&[], &["P2P_TENANT_NAME"]).await.is_ok());
    let error = corpus.ask(&[], &["P2P_TENANT_NAME", "P2P_APP_NAME"]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the variable P2P_APP_NAME of the Makefile cannot be expanded: "), "{text}");
    assert!(text.contains("say app"), "{text}");
}

#[tokio::test]
async fn the_environment_is_the_given_one_and_no_other() {
    let corpus = Corpus::new(
        "ifdef CARGO_MANIFEST_DIR\n$(error leaked)\nendif\nifeq ($(PWD),$(CURDIR))\np2p-build: ; echo\nendif\n",
    );
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 5)]));
}

#[tokio::test]
async fn makes_own_choice_of_the_name_is_followed() {
    let corpus = Corpus::new("p2p-build: ; echo\n").file("GNUmakefile", "p2p-nft: ; echo\n");
    let makefile = corpus.read().await;
    assert_eq!(makefile.files, [PathBuf::from("GNUmakefile")]);
    assert_eq!(makefile.target("p2p-build").state, State::Missing);

    let corpus = Corpus::empty().file("elsewhere/real.mk", "p2p-build: ; echo\n");
    symlink("elsewhere/real.mk", corpus.directory.join("Makefile")).unwrap();
    assert_eq!(corpus.read().await.target("p2p-build").state, defined(&[at("Makefile", 1)]));
}

#[tokio::test]
async fn image_names_are_what_p2p_images_prints() {
    let corpus = Corpus::new("p2p-images:\n\techo shop shop-db\n\t@echo team/api; echo noise >&2\n");
    assert_eq!(corpus.images().await.unwrap(), ["shop", "shop-db", "team/api"]);

    let corpus = Corpus::new("p2p-images:\n\techo Shop:latest\n");
    let error = corpus.images().await.unwrap_err();
    assert_eq!(error.to_string(), "`p2p-images` printed \"Shop:latest\", which is not an image name");

    let corpus = Corpus::new("p2p-images:\n\techo why >&2; exit 3\n");
    let error = corpus.images().await.unwrap_err().to_string();
    assert_eq!(
        error.lines().next().unwrap(),
        "`make -s --no-print-directory p2p-images` failed with exit code 2: why"
    );

    let corpus = Corpus::new("p2p-images:\n\techo $$LC_ALL\n").env("LC_ALL", "mine");
    assert_eq!(corpus.images().await.unwrap(), ["mine"]);
    assert!(matches!(Corpus::empty().images().await, Err(MakeError::NoMakefile { .. })));
}

#[tokio::test]
async fn what_a_makefile_prints_while_it_is_read_is_no_image_name() {
    let corpus = Corpus::new("$(info reading)\np2p-images: ; @echo shop\n$(info read)\n");
    assert_eq!(corpus.images().await.unwrap(), ["shop"]);
    // Read twice: the include is made in between.
    let corpus = Corpus::new(
        "$(info reading)\np2p-images: ; @echo $(NAME)\ninclude gen.mk\ngen.mk:\n\t@echo making; echo 'NAME = shop' > $@\n",
    );
    assert_eq!(corpus.images().await.unwrap(), ["shop"]);
    // Nothing shows that a file more was read.
    let corpus = Corpus::new(
        "include names.mk\n%: FORCE\n\t@echo caught-$@\nFORCE:\nMakefile names.mk: ;\np2p-images: ; @echo $(notdir $(MAKEFILE_LIST))\n",
    )
    .file("names.mk", "");
    let error = corpus.images().await.unwrap_err();
    assert!(matches!(&error, MakeError::BadImageName { word } if word == "Makefile"), "{error}");
    let corpus = Corpus::new("include a\np2p-images: ; @echo $(lastword $(MAKEFILE_LIST))\n").file("a", "");
    assert_eq!(corpus.images().await.unwrap(), ["a"]);
}
