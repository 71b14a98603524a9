//! From the world to the exit code: inputs → context → plan → execute → report.

mod comment;
mod environments;
mod gate;
mod gathered;
mod logins;
mod notification;
mod prepare;
mod runner_files;
mod trusted;
mod wiring;

use std::io::Write;

use crate::cli::{self, Invocation};
use crate::inputs;
use crate::report::{self, Console, View};
use sys::error::{Exit, Failure};
use sys::http;
use sys::process::{Signals, StopSignal};
use sys::world::World;
use workflow_commands::Level;

/// Runs the command in the arguments or in the environment. The text goes to `out`. Errors of the command line and
/// messages of local runs go to `err`.
pub async fn run(world: World, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Exit {
    let world = inputs::reserve(world);
    let console = Console::new(out, err, View::of(&world));
    let github = console.is_github();
    if let Some(warning) = http::trust(&world.env) {
        if github {
            console.annotate_text(Level::Warning, "certificates", &warning);
        } else {
            console.complain(&format!("warning: {warning}"));
        }
    }
    // In the action, an empty `command` means the default.
    let asked = cli::parse(&world.args, github || world.reserved.get("INPUT_COMMAND").is_some());
    // Scripts read the output of these commands.
    if matches!(asked, Invocation::Image(_) | Invocation::Tool(..)) {
        console.only_answers();
    }
    let ended = match asked {
        Invocation::Text(text, answer) => {
            if answer {
                console.say(text.trim_end());
                return Exit::Passed;
            }
            console.complain(text.trim_end());
            return Exit::Usage;
        }
        Invocation::Image(matches) => {
            Box::pin(interruptible(crate::commands::images::run(&world, &matches, &console))).await
        }
        Invocation::Tool(name, matches) => {
            Box::pin(crate::commands::tools::run(&world, &name, &matches, &console)).await
        }
        // `gate` has already reported its failures.
        Invocation::Gate(flags) => {
            return Box::pin(gate::run(&world, &flags, &console))
                .await
                .unwrap_or_else(|failure| failure.exit);
        }
    };
    ended.unwrap_or_else(|failure| {
        report::failed(&console, &world.env, &failure, None);
        failure.exit
    })
}

/// Runs work that a signal stops. Its temporary files are removed.
async fn interruptible(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let mut stop = signals.stop();
    tokio::select! {
        ended = work => ended,
        signal = stop.wait() => {
            Err(Failure { what: format!("interrupted by {}", signal.name()), ..interrupted(signal) })
        }
    }
}

/// The failure for a signal that came before there was a plan.
fn interrupted(signal: StopSignal) -> Failure {
    Failure {
        what: format!("interrupted by {}; nothing was run", signal.name()),
        causes: Vec::new(),
        help: None,
        exit: Exit::Interrupted(signal.number()),
    }
}
