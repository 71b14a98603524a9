//! The processes of this machine (proc(5)).

use workflow_commands::cut;

/// At most this many characters of a command line are shown.
const SHOWN: usize = 200;

/// A process. Zombies are processes that do not run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) runs: bool,
    pub(super) name: String,
}

impl Process {
    /// Parses `pid (name) state parent group …`. The name may contain parentheses and spaces.
    fn parse(stat: &str) -> Option<Self> {
        let (before, after) = stat.rsplit_once(')')?;
        let (id, name) = before.split_once(" (")?;
        let mut fields = after.split_ascii_whitespace();
        let runs = !matches!(fields.next()?, "Z" | "X" | "x");
        let mut number = || fields.next()?.parse().ok();
        let (parent, group) = (number()?, number()?);
        Some(Self { id: id.parse().ok()?, parent, group, runs, name: name.to_owned() })
    }

    /// Its command line.
    pub(super) fn command_line(&self) -> String {
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        command_line(&cmdline).unwrap_or_else(|| self.name.clone())
    }

    /// Whether its initial environment contains this text.
    pub(super) fn started_with(&self, text: &[u8]) -> bool {
        let environment = std::fs::read(format!("/proc/{}/environ", self.id)).unwrap_or_default();
        environment.windows(text.len().max(1)).any(|window| window == text)
    }
}

/// All processes; `None` on systems without `/proc`.
pub(super) fn all() -> Option<Vec<Process>> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let of_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let found = entries.filter(|entry| entry.file_name().to_str().is_some_and(of_process));
    // A process that has ended has no files.
    let stats = found.filter_map(|entry| std::fs::read(entry.path().join("stat")).ok());
    Some(stats.filter_map(|stat| Process::parse(&String::from_utf8_lossy(&stat))).collect())
}

/// Arguments, each ended by NUL, as one line.
fn command_line(cmdline: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(cmdline);
    let line = text.trim_end_matches('\0').replace('\0', " ");
    (!line.is_empty()).then(|| cut(&line, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let parsed = |stat| Process::parse(stat).map(|process| (process.name, process.group, process.runs));
        assert_eq!(parsed("12 (a) Z 7 (b) S 1 34 34 0"), Some(("a) Z 7 (b".to_owned(), 34, true)));
        assert_eq!(parsed("12 (make) Z 1 34 34 0"), Some(("make".to_owned(), 34, false)));
        assert_eq!(parsed("nonsense"), None);
    }

    #[test]
    fn arguments_are_joined_and_cut() {
        assert_eq!(command_line(b"sleep\x00300\x00").as_deref(), Some("sleep 300"));
        assert_eq!(command_line(b""), None);
        assert_eq!(command_line(&[b'x'; 1000]), Some("x".repeat(SHOWN) + "…"));
    }
}
