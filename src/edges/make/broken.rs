//! make's message about a Makefile that it cannot read.

use std::path::PathBuf;

use super::error::MakeError;
use super::location::Location;

/// Finds make's own messages in its standard error, which also contains the output of the Makefile's commands.
pub(super) fn broken(stderr: &str) -> MakeError {
    let own = |line: &&str| line.contains("*** ") || place_of(line).is_some();
    let mut lines: Vec<&str> = stderr.lines().filter(own).collect();
    if lines.is_empty() {
        lines = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    }
    let lines = &lines[lines.len().saturating_sub(10)..];
    let place = lines.iter().find(|line| line.contains("*** ")).and_then(|line| place_of(line));
    MakeError::Broken {
        message: lines.join("\n"),
        place: place.or_else(|| lines.iter().find_map(|line| place_of(line))),
    }
}

/// Parses `file:line: message`, or `make: *** [file:line: target] Error 1`.
fn place_of(line: &str) -> Option<Location> {
    let line = line.split_once("*** [").map_or(line, |(_, rest)| rest);
    let (colon, _) = line.match_indices(':').find(|(at, _)| {
        line[at + 1..].split_once(':').is_some_and(|(number, _)| number.parse::<u64>().is_ok())
    })?;
    let (number, _) = line[colon + 1..].split_once(':')?;
    Some(Location { file: PathBuf::from(&line[..colon]), line: number.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_make_are_told_from_noise_and_their_place_is_read() {
        let stderr = "curl: (7) no: 1\ninc/a.mk:12: nope.mk: No such file or directory\n\
            make: *** No rule to make target 'nope.mk'.  Stop.\n";
        let MakeError::Broken { message, place } = broken(stderr) else { unreachable!() };
        assert!(message.starts_with("inc/a.mk:12:") && message.ends_with("Stop."), "{message}");
        assert_eq!(place, Some(Location { file: "inc/a.mk".into(), line: 12 }));
        let place = place_of("make: *** [Makefile:3: gen.mk] Error 1");
        assert_eq!(place, Some(Location { file: "Makefile".into(), line: 3 }));
        assert_eq!(place_of("nothing: here"), None);
    }
}
