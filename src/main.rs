//! The binary: builds the world, calls `run`, maps the outcome to an exit code.

use std::process::ExitCode;

use sys::world::World;

/// Short runs are most of all waiting for the kernel, and musl's own gives memory back so eagerly that a tenth
/// of that is for memory.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    sys::process::keep_to_ourselves();
    let world = match World::of_process() {
        Ok(world) => world,
        Err(failure) => return p2p::report::fatal(&failure),
    };
    // One thread waits for all; what blocks has threads of its own. With workers beside it, each
    // event would wake two threads, and copies between registries would not be faster.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return p2p::report::fatal(&error.into()),
    };
    // A target's output goes out in larger parts than a pipe holds at first.
    sys::process::widen(std::io::stdout());
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let exit = runtime.block_on(p2p::commands::run::run(world, out, err));
    // What still runs in the background has nothing to tell any more.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
