//! The last lines of an output.

/// At most this many bytes are kept, however long the lines are.
const BYTES: usize = 64 * 1024;

/// Keeps the last lines of a text.
#[derive(Debug)]
pub(super) struct Tail {
    lines: usize,
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn new(lines: usize) -> Self {
        Self { lines, bytes: Vec::new(), cut: false }
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        if text.len() >= BYTES {
            self.cut |= text.len() > BYTES || !self.bytes.is_empty();
            self.bytes.clear();
            self.bytes.extend_from_slice(&text[text.len() - BYTES..]);
            return;
        }
        self.bytes.extend_from_slice(text);
        if self.bytes.len() > 2 * BYTES {
            self.bytes.drain(..self.bytes.len() - BYTES);
            self.cut = true;
        }
    }

    /// The last lines, without their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes[self.bytes.len().saturating_sub(BYTES)..]);
        let cut = self.cut || self.bytes.len() > BYTES;
        let mut lines: Vec<&str> = text.lines().collect();
        if cut && lines.len() > 1 {
            lines.remove(0);
        }
        let from = lines.len().saturating_sub(self.lines);
        lines[from..].iter().map(|line| (*line).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_many() {
        let mut tail = Tail::new(2);
        for number in 0..100 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        assert_eq!(tail.lines(), ["line 98", "line 99"]);
    }

    #[test]
    fn long_lines_do_not_add_up() {
        let mut tail = Tail::new(40);
        for _ in 0..100 {
            tail.push(&vec![b'x'; 30_000]);
            tail.push(b"\n");
        }
        tail.push(b"end\n");
        assert!(tail.bytes.capacity() <= 4 * BYTES);
        let lines = tail.lines();
        assert_eq!(lines.last().map(String::as_str), Some("end"));
        // The first line was cut, so it is not shown.
        assert!(lines[..lines.len() - 1].iter().all(|line| line.len() == 30_000));
        tail.push(&vec![b'y'; 10 * BYTES]);
        assert_eq!(tail.lines().concat().len(), BYTES);
    }
}
