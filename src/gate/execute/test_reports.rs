//! Finds the test reports that a target wrote, and reads them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Execution;
use super::diagnostics::Files;
use super::target::Ran;
use crate::domain::results::{TestResults, Unreadable};
use crate::edges::workspace::FilesBefore;
use sys::private::{self, Links};
use workflow_commands::neutralize;

/// The largest report, and the most for all reports of a target, in bytes.
const LARGEST: [u64; 2] = [32 << 20, 128 << 20];

/// The most reports that are read for a target.
const MOST: usize = 2000;

/// The most notices about the reports of one target.
const NOTICES: usize = 5;

/// The reports that existed before a target ran.
pub(super) struct ReportsBefore(FilesBefore);

impl Execution<'_> {
    /// Lists the reports in the directory that a target will run in.
    pub(super) async fn reports_before(&self, directory: PathBuf) -> Option<ReportsBefore> {
        let globs = Arc::clone(&self.run_context.test_reports.as_ref()?.globs);
        self.blocking(move || ReportsBefore(FilesBefore::new(globs, directory))).await
    }

    /// The results in the reports that a target wrote. `None` if it wrote none.
    pub(super) async fn results_of(
        &self,
        name: &str,
        before: Option<ReportsBefore>,
        ran: &Ran,
    ) -> Option<TestResults> {
        let (before, workspace) = (before?, ran.workspace(&self.run_context.paths.workspace).to_owned());
        let named = self.run_context.test_reports.as_ref()?.named;
        let (mut results, notices) = self.blocking(move || read(&before.0, &workspace, named)).await?;
        let clean = |text: &str| neutralize(&self.masker.clean(text)).into_owned();
        for notice in &notices {
            self.notice(&clean(&format!("{name}: {notice}")));
        }
        results.clean(clean);
        (!results.reports.is_empty()).then_some(results)
    }
}

/// Reads the reports that are new or changed. Returns the results and notices.
fn read(before: &FilesBefore, workspace: &Path, named: bool) -> (TestResults, Vec<String>) {
    let (mut results, mut notices) = (TestResults::default(), Vec::new());
    let written = before.written();
    if written.len() > MOST {
        notices.push(format!("only the first {MOST} of {} test reports are read", written.len()));
    }
    let [_, mut room] = LARGEST;
    // Stacks name the same files again and again, and the search for a missing file reads the disk a hundred times.
    let places = RefCell::new(HashMap::new());
    for path in written.iter().take(MOST) {
        let problem = match report(&before.directory().join(path), &mut room) {
            Ok(mut found) => {
                let module = path.parent().map(Path::to_path_buf);
                found.locate(|file| {
                    let place = (module.clone(), file.to_owned());
                    let look = || known(file, path, before.directory(), workspace);
                    places.borrow_mut().entry(place).or_insert_with(look).clone()
                });
                found.reports.push(path.display().to_string());
                results.add(found);
                continue;
            }
            Err(Unreadable::NoReport) if !named => continue,
            Err(Unreadable::NoReport) => "it is neither JUnit XML nor a summary of k6".to_owned(),
            Err(Unreadable::Broken(why)) => why,
        };
        notices.push(format!("the test report {:?} is not counted: {problem}", path.display().to_string()));
    }
    if notices.len() > NOTICES {
        let left = notices.len() - NOTICES;
        notices.truncate(NOTICES);
        notices.push(format!("{left} more test reports are not counted"));
    }
    (results, notices)
}

/// Reads one report if it is not too large.
fn report(file: &Path, room: &mut u64) -> Result<TestResults, Unreadable> {
    let broken = |error: std::io::Error| Unreadable::Broken(error.to_string());
    let file = private::open(file, Links::Refuse).map_err(broken)?;
    let size = file.metadata().map_err(broken)?.len();
    let [largest, _] = LARGEST;
    if size > largest.min(*room) {
        let limit = crate::report::size(largest.min(*room));
        return Err(Unreadable::Broken(format!(
            "it has {}, over the {limit} left",
            crate::report::size(size)
        )));
    }
    *room -= size;
    TestResults::read(&mut BufReader::new(file.take(size)))
}

/// The path in the repository of a file that a report names. Its path may be relative to make's directory, to the
/// report's directory, or to a directory above the report, if several modules have their own reports. JVM languages
/// name the file by package.
fn known(file: &str, report: &Path, directory: &Path, workspace: &Path) -> Option<String> {
    let above = report.ancestors().skip(1).map(|above| directory.join(above));
    let files = above.map(|directory| Files { directory, workspace: workspace.to_owned() });
    files.take(DEPTH).find_map(|files| {
        files
            .known(file)
            .or_else(|| SOURCES.iter().find_map(|sources| files.known(&format!("{sources}/{file}"))))
    })
}

/// How many directories above a report are searched.
const DEPTH: usize = 12;

/// The directories of tests in Maven and Gradle projects.
const SOURCES: [&str; 5] =
    ["src/test/java", "src/test/kotlin", "src/test/scala", "src/test/groovy", "src/integrationTest/java"];
