//! The table of rules: the forms in which tools report why they fail. Every rule is tried on each line of an output.
//! Patterns match bytes, not Unicode, and lines have no colours.

use Shows::{After, Line, Paragraph, Through, Until};
use Weight::{Definite, Hint, Message, Noise, Report};

/// How much a finding explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Nothing: other tools repeat the message of the one that failed.
    Noise,
    /// A line that looks like an error. The last one counts.
    Hint,
    /// The message of a tool that stops with an error. The last one counts.
    Message,
    /// The report of a compiler or a test framework. The first one counts, because it may cause the others.
    Report,
    /// How the process ended. No other finding explains more. The first one counts.
    Definite,
}

/// The lines that belong to a finding, besides the first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shows {
    /// None.
    Line,
    /// This number of lines.
    After(usize),
    /// The lines before a blank line.
    Paragraph,
    /// The lines before one that matches.
    Until(&'static str),
    /// The lines up to and including one that matches.
    Through(&'static str),
}

/// A rule. An empty pattern is not set: without `needs` the finding needs no further line, and without `says` its first
/// line is the headline.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) weight: Weight,
    /// Matches the first line.
    pub(super) begins: &'static str,
    pub(super) shows: Shows,
    /// Matches a line that the finding must contain.
    pub(super) needs: &'static str,
    /// Matches the headline. If no line matches, it is the first line.
    pub(super) says: &'static str,
    /// Whether the last place in the finding counts, as in traces whose innermost call comes last.
    pub(super) last_place: bool,
    /// Whether the first line names the file, and the headline begins with the number of the line.
    pub(super) heads: bool,
    /// What the reader can do.
    pub(super) help: &'static str,
}

impl Rule {
    /// Whether the first finding counts.
    pub(super) fn first(&self) -> bool {
        matches!(self.weight, Report | Definite)
    }

    /// The rank of a finding at line `at`.
    pub(super) fn rank(&self, at: u64) -> (Weight, i64) {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        (self.weight, if self.first() { -at } else { at })
    }

    const fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    const fn needs(self, needs: &'static str) -> Self {
        Self { needs, ..self }
    }

    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    const fn last_place(self) -> Self {
        Self { last_place: true, ..self }
    }

    const fn heads(self) -> Self {
        Self { heads: true, ..self }
    }

    pub(super) fn ends(&self) -> &'static str {
        match self.shows {
            Until(pattern) | Through(pattern) => pattern,
            _ => "",
        }
    }
}

const fn rule(weight: Weight, name: &'static str, begins: &'static str, shows: Shows) -> Rule {
    Rule { name, weight, begins, shows, needs: "", says: "", last_place: false, heads: false, help: "" }
}

/// An error message of a tool.
const fn message(name: &'static str, begins: &'static str, shows: Shows, help: &'static str) -> Rule {
    Rule { help, ..rule(Message, name, begins, shows) }
}

const MEMORY: &str = "the process had too little memory: raise its limit or the runner's size, or start fewer processes at once";
const NETWORK: &str =
    "check that the host and the port are right, and that the server runs and can be reached from the runner";
const LOGIN: &str = "the server refused the login: check that the target uses the credentials that p2p provides, and that they may do this";

/// The rules. If several match the first line of a finding, the first one with the highest weight counts.
pub(super) static RULES: &[Rule] = &[
    // Repetitions.
    rule(
        Noise,
        "noise",
        r"^error: (could not compile|test failed, to rerun|test run failed|\d+ targets? failed|aborting due)|^\[ERROR\] (To see the full|Re-run Maven|For more information|-> \[Help|\[Help|After correcting|Please refer|See dump)|^npm (ERR!|error) (A complete log|Lifecycle script)|^\s*0 errors?\b|^FAILED \(|^error Command failed with exit code|^ERROR: ResolutionImpossible|^cc1?: error|^collect2: error",
        Line,
    ),
    // How a process ended.
    rule(
        Definite,
        "killed",
        r"^Killed$|^make(\[\d+\])?: \*\*\* .*\] (Killed|Error 137)|signal: 9, SIGKILL|: line \d+: +\d+ Killed ",
        Line,
    )
    .help(MEMORY),
    rule(
        Definite,
        "crashed",
        r"^make(\[\d+\])?: \*\*\* .*\] (Segmentation fault|Bus error|Illegal instruction|Error 13[269]|Error 135)|^Segmentation fault|signal: 11, SIGSEGV|^(.*: line \d+: +\d+ )?(Segmentation fault|Bus error|Illegal instruction)\b",
        Line,
    )
    .help("the process crashed: a bug in native code, or a program for another machine"),
    rule(
        Definite,
        "out-of-memory",
        r"JavaScript heap out of memory|java\.lang\.OutOfMemoryError|^MemoryError|fatal error: (runtime: )?out of memory|[Cc]annot allocate memory|\bOOMKilled\b|memory allocation of \d+ bytes failed|exit code:? 137\b",
        Line,
    )
    .help(MEMORY),
    rule(Definite, "disk-full", r"No space left on device|ENOSPC|[Dd]isk quota exceeded", Line)
        .help("free space on the runner, for example by removing tools or images that the job does not need"),
    // Test frameworks.
    rule(
        Report,
        "pytest",
        r"^=+ (FAILURES|ERRORS) =+$",
        Until(r"^=+ (short test summary|.*(passed|failed|error)|warnings summary)"),
    )
    .says(r"^E\s+([A-Za-z_][\w.]*(:|$)|assert\b)"),
    rule(Report, "unittest", r"^(FAIL|ERROR): \S+ \(", Until(r"^={60}|^Ran \d+ test"))
        .says(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Failure|Timeout|Expired)\b")
        .last_place()
        .needs(r"^Traceback "),
    rule(Report, "behave", r"^\s+(ASSERT FAILED: |Traceback \(most recent call last\):$)", Paragraph)
        .says(r"ASSERT FAILED: |^\s+Traceback |\w+Error: "),
    rule(
        Report,
        "go-test",
        r"^\s*(--- FAIL: |\S+_test\.go:\d+: )",
        Until(r"^(FAIL|ok|PASS|exit status|=== RUN)\b"),
    )
    .says(r"^\s+\S+_test\.go:\d+: |^panic: "),
    rule(
        Report,
        "rust-panic",
        r"^\s*thread '.*' (\(\d+\) )?(panicked at |has overflowed its stack)",
        Until(r"^\s*(note: |stack backtrace:|failures:)"),
    )
    .says(r"^\s*([^t\s]|t[^h])"),
    rule(Report, "jest", "^\\s+\u{25cf} \\S", Until("^(Test Suites:|PASS |FAIL )|^\\s+\u{25cf} "))
        .says(r"^\s+(expect\(|thrown: |Cannot find module|\w*(Error|Exception)\b|Your test suite)"),
    rule(Report, "vitest", r"^\s*FAIL +\S+.* > |^ FAIL  \S+ \[", Until("^\u{23af}{5}|^ *Test Files "))
        .says(r"^\w*(Error|Exception)\b"),
    rule(Report, "mocha", r"^\s+\d+ failing$", After(40))
        .says(r"^\s+\w*(Error|Exception)\b|^\s+Error: "),
    rule(Report, "tap", r"^\s*not ok \d+", Until(r"^\s*(\.\.\.|not ok \d|ok \d)"))
        .says(r"^\s+error: [^|>]|^\s+Expected |^# +[^S(]"),
    rule(Report, "node-test", "^\u{2716} failing tests:", After(30))
        .says(r"^\s+(\w*Error\b.*|.*error:.*)|^\s+'.*'"),
    rule(
        Report,
        "rspec",
        r"^Failures:$",
        Until(r"^(Finished in |Failed examples:|\d+ scenarios? |Pending:)"),
    )
    .says(r"^\s+(\w*(Error|Exception)\b|Failure/Error:|AssertionError|Expected )"),
    rule(Report, "minitest", r"^\s+\d+\) (Failure|Error):$", Paragraph)
        .says(r"^(Expected|\S*(Error|Exception)\b.*: )"),
    rule(
        Report,
        "surefire",
        r"^\[ERROR\] (Failures|Errors):\s*$",
        Until(r"^\[(INFO|ERROR|WARNING)\]\s*$"),
    )
    .says(r"^\[ERROR\] +\S+:\d+|^\[ERROR\]   \S"),
    rule(Report, "surefire", r"^\[ERROR\] \S+.* <<< (FAILURE|ERROR)!$", After(6))
        .says(r"^\S*(Error|Exception)\b"),
    rule(Report, "gradle-test", r"^\S+.* > .* FAILED$", Paragraph)
        .says(r"^\s+\S*(Error|Exception|Failure)\b"),
    rule(Report, "phpunit", r"^There (was|were) \d+ (failure|error)s?:$", After(20))
        .says(r"^\d+\) |^Failed asserting"),
    rule(
        Report,
        "k6",
        r"level=error msg=.thresholds on metrics|^ERRO\[\d+\] thresholds on metrics",
        Line,
    )
    .says(r"thresholds on metrics|level=error"),
    rule(Report, "ava", "^\\s+\u{2718} \\[fail\\]: ", After(25)),
    rule(Report, "robot-framework", r"\| FAIL \|$", Until(r"^[-=]{20}"))
        .says(r"^[^=|-][^|]*$"),
    rule(Report, "ctest", r"^\s*\d+/\d+ Test +#\d+: .*\*\*\*\w", Paragraph),
    rule(Report, "perl-test", r"^# +Failed test", Until(r"^# Looks like|^[^#]")),
    rule(Report, "k6", "^\\s+\u{2717} +'?[a-z_]+.*(p\\(|rate|count|avg|max|med)", After(2)),
    rule(
        Report,
        "playwright",
        "^\\s+\\d+\\) .* \u{203a} .*:\\d+:\\d+ ",
        Until(r"^\s+\d+ (failed|passed|flaky)|^\s+\d+\) "),
    )
    .says(r"^\s+Error: |\(\d+:\d+\)|Error\b"),
    // Compilers and linters.
    rule(Report, "rustc", r"^error(\[E\d+\])?: ", Paragraph)
        .needs(r"^\s+--> "),
    rule(
        Report,
        "compiler",
        r"^\S*[\w/.-]+\.\w+(:\d+|\(\d+)[:,)\d]* *(fatal )?error\b|^\S+\.\w+:\d+:\d+ - error|^e: (file://)?/\S+:\d+",
        After(5),
    ),
    rule(Report, "compiler", r"^\S*\S+\.java:\d+: error: |^(\./)?\S+\.go:\d+:\d+: ", After(3)),
    rule(Report, "go-package", r"^\S+\.go:\d+:\d+: (cannot find|no required) ", After(2)),
    rule(Report, "maven-compiler", r"^\[ERROR\] COMPILATION ERROR", Until(r"^\[INFO\] \d+ error"))
        .says(r"^\[ERROR\] /?\S+\.\w+:\[\d+"),
    rule(Report, "eslint", r"^/\S+\.\w+$", Paragraph)
        .needs(r"^\s+\d+:\d+\s+error\s")
        .says(r"^\s+\d+:\d+\s+error\s")
        .heads(),
    rule(Report, "linter", r"^\S+\.\w+:\d+:\d+: ([A-Z]+\d+ |[EF]\d+: )", After(3)),
    rule(Report, "sqlfluff", r"^== \[.*\] FAIL", After(12)),
    rule(Report, "bandit", r"^>> Issue: \[", Until(r"^-{20}")),
    rule(Report, "cmake", r"^CMake Error\b", Until(r"^-- |^CMake "))
        .says(r"^  \S"),
    rule(Report, "vite", r"^error during build:$", Until(r"^\s+at |^\}"))
        .says(r"^\[\w+\] |^\w*Error: "),
    rule(
        Report,
        "linker",
        r"\bld(\.\w+)?: (\S+: in function|cannot find|.*(undefined reference|multiple definition|unable to find))|: undefined reference to |rust-lld: error: ",
        After(3),
    )
    .says(r"undefined reference to|cannot find|unable to find|multiple definition"),
    rule(Report, "ruff", r"^[A-Z]+\d+ (\[\*\] )?\S", Paragraph)
        .needs(r"^ *--> \S+:\d+:\d+"),
    rule(Report, "shellcheck", r"^In \S+ line \d+:$", Paragraph)
        .needs(r"SC\d+ \(error\)|SC\d+ \(warning\)|\^-")
        .says(r"SC\d+ "),
    rule(Report, "terraform", "^(\u{2502} )?Error: .*[^.]$", Until("^\u{2575}|^make|^\u{2577}"))
        .needs("^\u{2502} |^\\s+on \\S+ line \\d"),
    // Programs that end with an exception.
    rule(Message, "python", r"^Traceback \(most recent call last\):$", Through(r"^[A-Za-z_]"))
        .says(r"^[A-Za-z_][\w.]*(: |$)")
        .last_place(),
    rule(Message, "python", r"^\S*python[\d.]*: (No module named|can't open file)", Line),
    rule(Message, "go-panic", r"^(panic|fatal error): ", Until(r"^exit status |^FAIL\b"))
        .says(r"^(panic|fatal error): "),
    rule(
        Message,
        "exception",
        r#"^Exception in thread ".*" \S|^Caused by: \S|^Unhandled exception[.:]"#,
        After(4),
    ),
    rule(Message, "node", r"^(Uncaught )?([A-Z]\w*)?Error( \[\w+\])?: \S", Until(r"^Node\.js v|^\}")),
    rule(Message, "ruby", r"^\S+\.rb:\d+:in .*\(\w+(::\w+)*\)$", After(3))
        .says(r"\(\w*(Error|Exit|Exception)\)"),
    rule(Message, "php", r"^(PHP )?Fatal error: ", After(3)),
    rule(Message, "perl", r"^Can't locate \S+ in @INC", Line),
    rule(Message, "cpp", r"^terminate called ", After(2))
        .says(r"^\s+what\(\)"),
    rule(Message, "pytest", r"^ImportError while loading conftest", After(12))
        .says("^E "),
    rule(Message, "jest", r"^Jest: .* threshold", Line),
    // Programs and files that are missing, shells.
    message(
        "not-executable",
        r"^(\S+: (line )?\d+: |make(\[\d+\])?: )\S+: Permission denied$|[Ee]xec format error|cannot execute binary file|: \S*ELF\S*: not found$",
        Line,
        "make the file executable (`git update-index --chmod=+x FILE`), and check that it was built for this machine",
    ),
    message(
        "missing-program",
        r"^\S+: (line )?\d+: .*: (command )?not found$|: command not found$|^make(\[\d+\])?: \S+: No such file or directory$|executable file not found in \$PATH|^(/usr/bin/)?env: .*: No such file|^exec: .*: not found$",
        Line,
        "install the program in the job, or correct its name",
    ),
    message(
        "unset-variable",
        r": (line )?\d+: \w+: (unbound variable|parameter (not set|null or not set))$",
        Line,
        "set the variable: p2p passes on `env-vars` and the variables of the job",
    ),
    message(
        "shell",
        r"^\S+: (line )?\d+: .*([Ss]yntax error|unexpected|bad substitution|cannot overwrite)",
        After(1),
        "",
    ),
    message("missing-file", r"^[\w./-]+: .*: No such file or directory$|: can't cd to \S", Line, ""),
    message(
        "permission",
        r"^[\w./-]+: .*: (Permission denied|Operation not permitted|Read-only file system)$",
        Line,
        "",
    ),
    // make itself.
    message(
        "make",
        r"^make(\[\d+\])?: \*\*\* (No rule to make target|No targets|.*Stop\.)|^\S*(akefile|\.mk)\S*:\d+: \*\*\* ",
        Line,
        "",
    ),
    message(
        "timeout",
        r"^make(\[\d+\])?: \*\*\* .*\] Error 124$",
        Line,
        "`timeout` or another program with a time limit ended the command",
    ),
    // Images and registries.
    rule(
        Report,
        "buildx",
        r"^ > \[.*\].*:$",
        Until(r"^ERROR: failed to|^ERROR: process|^failed to solve"),
    )
    .says(r"(?i)^[\d. ]*(.*\b(error|fatal|not found|failed|cannot|denied)\b)"),
    message("buildx", r"^ERROR: (failed to (solve|build)|process )|^failed to solve: ", Line, ""),
    message(
        "login",
        r"(?i)unauthorized: |401 unauthorized|denied: requested access|no basic auth credentials|authentication required|permission_denied|permission denied \(publickey|invalid username or password|could not read (username|password)|access denied for user|403 forbidden|insufficient_scope|password authentication failed",
        Line,
        LOGIN,
    ),
    message(
        "rate-limit",
        r"toomanyrequests|429 Too Many Requests|API rate limit exceeded",
        Line,
        "the server refused too many requests: log in to it, use a mirror, or try again later",
    ),
    message(
        "docker",
        r"^docker: |^Error response from daemon: |^[Cc]annot connect to the Docker daemon|^ERROR: [Cc]annot connect to the Docker daemon|^Error: No such (container|image)",
        After(2),
        "",
    ),
    message("skopeo", r"level=fatal msg=|^FATA\[\d+\] ", Line, ""),
    // Kubernetes.
    message(
        "kubectl",
        r"^[Ee]rror from server|^The \w+ .* is invalid:|^error: (timed out waiting|unable to|resource mapping|no matching|deployment .* exceeded)|^Unable to connect to the server: |^The connection to the server ",
        After(3),
        "",
    ),
    message(
        "helm",
        r"^Error: (UPGRADE|INSTALLATION|INSTALL|ROLLBACK|UNINSTALL) FAILED|^Error: .*(release|chart|helm|timed out waiting|cannot re-use a name|another operation)",
        After(3),
        "the lines about the cluster, if there are any, say what the release waits for; `p2p diagnose NAMESPACE` shows it again",
    ),
    // Networks.
    message("curl", r"^curl: \(22\) ", Line, ""),
    message("curl", r"^curl: \(\d+\) ", Line, NETWORK),
    message(
        "network",
        r"(?i)connection refused|could not resolve host|no such host|name or service not known|temporary failure in name resolution|(?-i:ECONNREFUSED|ENOTFOUND)|i/o timeout|network is unreachable|no route to host",
        Line,
        NETWORK,
    ),
    message(
        "certificate",
        r"(?i)certificate signed by unknown authority|ssl certificate problem|certificate verify failed|certificate has expired|self[- ]signed certificate",
        Line,
        "add the authority of the server to the trusted ones of the program (`SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`)",
    ),
    // Packages, git, others.
    message("npm", r"^npm (ERR!|error) \S", Until(r"^npm (ERR!|error) A complete log|^[^n]"), "")
        .says(r"^npm (ERR!|error) \S+ \S+ \S"),
    message("npm", r"ERR_PNPM_|^error Couldn't find|^YN\d+: .*Error", After(3), ""),
    message("pip", r"^ERROR: Cannot install ", Until(r"^To fix this"), ""),
    message("gradle", r"^\* What went wrong:", Until(r"^\* Try:"), ""),
    message("maven", r"^\[ERROR\] Failed to execute goal ", After(1), ""),
    message(
        "maven",
        r"^\[(FATAL|ERROR)\] (Non-|Could not|Unknown|The goal|No |Plugin|'|.*@ line )",
        After(2),
        "",
    ),
    message("ansible", r"^(fatal|failed): \[.*\]", Line, ""),
    message("ansible", r"^\[ERROR\]: ", After(4), ""),
    message(
        "git",
        r"^ ! \[(remote )?rejected\]|^fatal: |^git: '.*' is not a git command|^error: (pathspec|failed to push|Your local changes|cannot )",
        After(3),
        "",
    )
    .says(r"\[rejected\]|\[remote rejected\]"),
    message("go", r"^go: \S+.*: |^no required module|^go: cannot ", After(2), ""),
    message(
        "test-binary",
        r"^ssh: |^rsync( error)?: |^scp: |^tar: .*: |^(psql|mysql|ERROR \d+)\b.*: ",
        Line,
        "",
    ),
    // What looks like an error.
    rule(Hint, "annotation", r"^\s*(: :error\b[^:]*::|## \[error\])", Line),
    rule(
        Hint,
        "error",
        r"^(?i:\S{0,24}\b(error|fatal|panic|err!?|e)(\[\w+\])?: \S)|^(Error|ERROR|FATAL|Unable to|Cannot|Could not|Failed to|failed to|unknown (flag|command|shorthand))\b",
        After(4),
    ),
    rule(
        Hint,
        "logged-error",
        r#"\blevel=(error|fatal|panic)\b|"(level|severity)": ?"(error|fatal|critical|ERROR|FATAL|CRITICAL)"|(^|[\s\[|])(ERROR|FATAL|CRITICAL)([\s:\]|]|$)"#,
        After(3),
    ),
];
