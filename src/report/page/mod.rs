//! The report as one self-contained page: the template, the report, and each log, compressed.
//!
//! The policy in the page allows no request, and only the page's own script, by its hash. Texts of others are data:
//! JSON without `<`, and base64.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sys::private::{self, Links};

const TEMPLATE: &str = include_str!("template.html");

/// The most bytes of all logs together, before compression: about a million lines.
const LARGEST: u64 = 100_000_000;

/// The parts of the plan that the page shows.
const OF_PLAN: [&str; 3] = ["command", "commit", "version"];

/// Writes the page of a report. The logs are read from the directory `logs`, not from the directory in the report: a
/// report from elsewhere could name other files here.
///
/// # Errors
/// If the page cannot be written or a log cannot be read.
pub(crate) fn write_page(report: &Value, logs: &Path, page: &mut impl Write) -> io::Result<()> {
    for text in TEMPLATE.split("@@") {
        match text {
            "SCRIPT" => page.write_all(hash("<script>", "</script>").as_bytes())?,
            "STYLE" => page.write_all(hash("<style>", "</style>").as_bytes())?,
            "REPORT" => page.write_all(data(report)?.as_bytes())?,
            "LOGS" => write_logs(report, logs, page)?,
            text => page.write_all(text.as_bytes())?,
        }
    }
    page.flush()
}

/// The hash for the policy, of the first element of the template that starts like this.
fn hash(start: &str, end: &str) -> String {
    let text = TEMPLATE.split_once(start).and_then(|(_, rest)| rest.split_once(end));
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.map_or("", |(text, _)| text))))
}

/// The report as JSON that cannot end an HTML element.
fn data(report: &Value) -> serde_json::Result<String> {
    let mut report = report.clone();
    if let Some(fields) = report.as_object_mut() {
        fields.remove("other_plans");
        if let Some(plan) = fields.get_mut("plan").and_then(Value::as_object_mut) {
            plan.retain(|name, _| OF_PLAN.contains(&name.as_str()));
        }
    }
    Ok(serde_json::to_string(&report)?.replace('<', "\\u003c"))
}

/// Writes each log in an element of its own, compressed and as base64. If the logs are too large, only their last
/// parts, and those of failed steps first.
fn write_logs(report: &Value, logs: &Path, page: &mut impl Write) -> io::Result<()> {
    let steps = report["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<_> = steps
        .iter()
        .enumerate()
        .filter_map(|(step, result)| log(step, result, report["logs"].as_str(), logs))
        .collect();
    found.sort_by_key(|log| !log.failed);
    let mut room = LARGEST;
    for log in &mut found {
        log.from = log.length.saturating_sub(room);
        room -= log.length - log.from;
    }
    found.sort_by_key(|log| log.step);
    for log in found {
        write!(page, "<script type=\"text/plain\" class=\"log\" data-step=\"{}\">", log.step)?;
        let mut encoder = EncoderWriter::new(&mut *page, &STANDARD);
        let mut packer = GzEncoder::new(&mut encoder, Compression::fast());
        if log.from > 0 {
            writeln!(packer, "… the {} before are left out: the log file has them", super::size(log.from))?;
        }
        let mut file = private::open(&log.file, Links::Refuse)?;
        file.seek(SeekFrom::Start(log.from))?;
        io::copy(&mut file.take(log.length - log.from), &mut packer)?;
        packer.finish()?;
        encoder.finish()?;
        drop(encoder);
        page.write_all(b"</script>\n")?;
    }
    Ok(())
}

/// The log of a step.
struct StepLog {
    /// The index of the step.
    step: usize,
    failed: bool,
    file: PathBuf,
    /// The length in bytes.
    length: u64,
    /// Where the part for the page begins.
    from: u64,
}

/// The log of a step, if there is one beside the report. `of_run` is the directory in the report. A run with several
/// environments has a directory for each below it.
fn log(step: usize, result: &Value, of_run: Option<&str>, logs: &Path) -> Option<StepLog> {
    let path = Path::new(result["log"].as_str()?);
    let below = of_run.and_then(|of_run| path.strip_prefix(of_run).ok());
    let below = below.filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
    let file = logs.join(below.or_else(|| path.file_name().map(Path::new))?);
    let metadata = std::fs::symlink_metadata(&file).ok().filter(std::fs::Metadata::is_file)?;
    Some(StepLog { step, failed: result["failure"].is_object(), file, length: metadata.len(), from: 0 })
}
