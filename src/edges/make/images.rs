//! The image names that the target `p2p-images` prints.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::command::make;
use super::error::MakeError;
use super::files;
use sys::process::capture_any;
use sys::world::Env;

/// How many of the last lines of standard error an error quotes.
const TAIL: usize = 10;

/// The time limit of `p2p-images`.
const LIMIT: Duration = Duration::from_mins(2);

/// The command in messages, without p2p's own file.
const COMMAND: &str = "make -s --no-print-directory p2p-images";

/// Runs `make -s --no-print-directory p2p-images` in `directory` and returns the image names that it prints, in
/// order and without duplicates. Ignores what the Makefile prints while make reads it (`$(info …)`). `assignments`
/// go on make's command line. `scratch` is a directory outside the workspace for a temporary file.
///
/// # Errors
/// If make cannot run, fails or takes more than two minutes, or if a word is not an image name.
pub async fn images(
    directory: &Path,
    env: &Env,
    assignments: &[String],
    scratch: &Path,
) -> Result<Vec<String>, MakeError> {
    let main = files::main(directory)?;
    let marker = files::marker()?;
    let file = files::ours(scratch, &text(&marker))?;
    let mut arguments = vec![
        OsStr::new("-s"),
        OsStr::new("--no-print-directory"),
        OsStr::new("-f"),
        OsStr::new(main),
        OsStr::new("-f"),
        file.path().as_os_str(),
        OsStr::new("p2p-images"),
    ];
    arguments.extend(assignments.iter().map(OsStr::new));
    let captured = capture_any(&make(COMMAND, directory, env, &arguments), LIMIT).await?;
    if !captured.succeeded() {
        return Err(MakeError::ImagesFailed {
            command: COMMAND.to_owned(),
            code: captured.shell_code(),
            message: tail(&captured.stderr),
        });
    }
    names(&String::from_utf8_lossy(after(&captured.stdout, &marker)))
}

/// The text of the file that make reads last. It removes itself from the list of files, because recipes may use the
/// last one. No rule can remake it.
fn text(marker: &str) -> String {
    format!(
        "{marker} := $(lastword $(MAKEFILE_LIST))\n\
         MAKEFILE_LIST := $(filter-out $({marker}),$(MAKEFILE_LIST))\n\
         $({marker}): ;\n\
         $(info {marker})\n"
    )
}

/// The output after the Makefile was read. make reads it twice if it remakes an include.
fn after<'a>(stdout: &'a [u8], marker: &str) -> &'a [u8] {
    let line = format!("{marker}\n");
    memchr::memmem::rfind(stdout, line.as_bytes()).map_or(stdout, |at| &stdout[at + line.len()..])
}

/// The last lines of make's messages.
fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

fn names(text: &str) -> Result<Vec<String>, MakeError> {
    let mut names: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if !word.split('/').all(is_component) {
            return Err(MakeError::BadImageName { word: word.to_owned() });
        }
        if !names.iter().any(|name| name == word) {
            names.push(word.to_owned());
        }
    }
    Ok(names)
}

/// Whether `text` is one component of a repository's name: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (OCI distribution
/// specification 1.1, "Pulling manifests").
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else { return false };
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    alphanumeric(first)
        && alphanumeric(last)
        && separators
            .filter(|run| !run.is_empty())
            .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn names_are_parted_by_any_white_space_and_kept_once_in_their_order() {
        let found = names("shop\n  shop-db\tteam/api shop\r\n").unwrap();
        assert_eq!(found, ["shop", "shop-db", "team/api"]);
        assert!(names(" \n").unwrap().is_empty());
    }

    #[test]
    fn only_components_of_a_repository_name_are_names() {
        for good in ["a", "0", "a-b", "a--b", "a.b", "a_b", "a__b", "a/b/c", "a1-2.b_3/x"] {
            assert!(names(good).is_ok(), "{good}");
        }
        for bad in [
            "A", "a:1", "a@b", "-a", "a-", ".a", "a..b", "a___b", "a._b", "a//b", "/a", "a/", "é", "echo;",
            "$x",
        ] {
            let error = names(&format!("ok {bad}")).unwrap_err();
            assert!(matches!(&error, MakeError::BadImageName { word } if word == bad), "{error:?}");
        }
    }
}
