//! Which workloads may sign. Pure.

use globset::{Glob, GlobBuilder};

use crate::signer::Workload;

/// The requirements for a workload. The caller checks its ref and its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedSigner {
    /// The issuer of the id token: `https://token.actions.githubusercontent.com`.
    pub issuer: String,
    /// The repository, `owner/name`. Upper and lower case do not matter, as on GitHub.
    pub repository: String,
    /// The repository's id. `None` if it is not known, as on a laptop.
    pub repository_id: Option<String>,
    /// Globs of workflows, without host and ref: `acme/shop/.github/workflows/*`. Both the workflow of the
    /// repository and the one whose job signed must match. Upper and lower case do not matter.
    pub workflows: Vec<String>,
}

/// A requirement that a workload does not meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its {what} is {found:?}, and {expected} is required")]
pub struct Mismatch {
    /// `issuer`, `repository`, `repository id` or `workflow`.
    pub what: &'static str,
    /// The value in the certificate.
    pub found: String,
    /// The required value.
    pub expected: String,
}

impl AllowedSigner {
    /// Checks the requirements.
    pub fn check(&self, workload: &Workload) -> Result<(), Mismatch> {
        let mismatch =
            |what, found: &str, expected: String| Mismatch { what, found: found.to_owned(), expected };
        let exact = |what, found: &str, expected: &str, same: bool| {
            if same { Ok(()) } else { Err(mismatch(what, found, format!("{expected:?}"))) }
        };
        exact("issuer", &workload.issuer, &self.issuer, workload.issuer == self.issuer)?;
        let same = path(&workload.repository).is_some_and(|path| path.eq_ignore_ascii_case(&self.repository));
        exact("repository", &workload.repository, &self.repository, same)?;
        if let Some(id) = &self.repository_id {
            exact("repository id", &workload.repository_id, id, workload.repository_id == *id)?;
        }
        for workflow in [&workload.workflow, &workload.job_workflow] {
            let allowed =
                file(workflow).is_some_and(|file| self.workflows.iter().any(|glob| matches(glob, file)));
            if !allowed {
                return Err(mismatch("workflow", workflow, expected(&self.workflows)));
            }
        }
        Ok(())
    }
}

/// Whether a text is a glob of workflows.
pub fn is_glob(text: &str) -> bool {
    glob(text).is_ok()
}

/// The part of a URL after the host. The issuer determines the host, because each issuer serves one host.
fn path(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split_once('/').map(|(_host, path)| path)
}

/// `owner/repository/file` of `https://host/owner/repository/file@ref`.
fn file(workflow: &str) -> Option<&str> {
    path(workflow)?.split_once('@').map(|(file, _)| file)
}

fn expected(globs: &[String]) -> String {
    let quoted: Vec<String> = globs.iter().map(|glob| format!("{glob:?}")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(" or ") }
}

/// Whether `pattern` matches the whole of `text`. `*` does not match a slash. An invalid glob matches nothing.
fn matches(pattern: &str, text: &str) -> bool {
    glob(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).case_insensitive(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> AllowedSigner {
        AllowedSigner {
            issuer: "https://token.actions.githubusercontent.com".into(),
            repository: "acme/shop".into(),
            repository_id: Some("42".into()),
            workflows: vec![
                "acme/shop/.github/workflows/*".into(),
                "coreeng/p2p-action/.github/workflows/*".into(),
            ],
        }
    }

    fn workload() -> Workload {
        let workflow = "https://github.com/acme/shop/.github/workflows/gate.yaml@refs/heads/main";
        Workload {
            issuer: "https://token.actions.githubusercontent.com".into(),
            repository: "https://github.com/acme/shop".into(),
            repository_id: "42".into(),
            workflow: workflow.into(),
            job_workflow: workflow.into(),
            ..Workload::default()
        }
    }

    #[test]
    fn the_gate_of_this_repository_is_believed() {
        let shared = "https://github.com/coreeng/p2p-action/.github/workflows/p2p.yaml@refs/tags/v1";
        for change in [
            |_: &mut Workload| {},
            |workload: &mut Workload| workload.repository = "https://github.com/Acme/Shop".into(),
            |workload: &mut Workload| {
                workload.workflow =
                    "https://github.com/Acme/Shop/.github/workflows/a.yaml@refs/heads/x".into();
            },
        ] {
            let mut workload = workload();
            change(&mut workload);
            assert_eq!(allowed().check(&workload), Ok(()), "{workload:?}");
            workload.job_workflow = shared.into();
            assert_eq!(allowed().check(&workload), Ok(()), "{workload:?}");
        }
        assert_eq!(AllowedSigner { repository_id: None, ..allowed() }.check(&workload()), Ok(()));
    }

    #[test]
    fn every_other_workload_is_refused_with_the_claim_that_differs() {
        type Change = fn(&mut Workload);
        let changes: [(&str, Change); 10] = [
            ("issuer", |it| it.issuer = "https://token.actions.githubusercontent.com/acme".into()),
            ("issuer", |it| it.issuer = String::new()),
            ("repository", |it| it.repository = "https://github.com/mallory/shop".into()),
            ("repository", |it| it.repository = "acme/shop".into()),
            ("repository", |it| it.repository = "https://github.com/acme/shop2".into()),
            ("repository id", |it| it.repository_id = "43".into()),
            ("repository id", |it| it.repository_id = String::new()),
            ("workflow", |it| {
                it.workflow =
                    "https://github.com/mallory/shop/.github/workflows/gate.yaml@refs/heads/main".into();
            }),
            ("workflow", |it| {
                it.job_workflow = "https://github.com/mallory/x/.github/workflows/gate.yaml@v1".into();
            }),
            ("workflow", |it| {
                it.workflow =
                    "https://github.com/acme/shop/.github/workflows/a/b.yaml@refs/heads/main".into();
            }),
        ];
        for (what, change) in changes {
            let mut workload = workload();
            change(&mut workload);
            assert_eq!(
                allowed().check(&workload).map_err(|mismatch| mismatch.what),
                Err(what),
                "{workload:?}"
            );
        }
        for wrong in [
            AllowedSigner { workflows: vec!["[".into()], ..allowed() },
            AllowedSigner { workflows: Vec::new(), ..allowed() },
        ] {
            assert!(wrong.check(&workload()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_message_says_what_was_found_and_what_is_required() {
        let workload = Workload { repository_id: "43".into(), ..workload() };
        let message = allowed().check(&workload).map_err(|mismatch| mismatch.to_string());
        assert_eq!(message, Err("its repository id is \"43\", and \"42\" is required".into()));
    }
}
