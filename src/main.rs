//! The binary: builds the world, calls `run`, and maps the outcome to an exit code.

use std::process::ExitCode;

use sys::world::World;

/// Short runs mostly wait for the kernel. musl's own allocator returns memory so eagerly that this takes a tenth of
/// the time.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    sys::process::keep_to_ourselves();
    let world = match World::of_process() {
        Ok(world) => world,
        Err(failure) => return p2p::report::fatal(&failure),
    };
    // One thread waits for everything, and blocking work has its own threads. With worker threads, each event would
    // wake two threads, and copies between registries would not be faster.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return p2p::report::fatal(&error.into()),
    };
    // The output of targets is written in larger pieces than a pipe holds by default.
    sys::process::widen(std::io::stdout());
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let exit = runtime.block_on(p2p::commands::run::run(world, out, err));
    // Background work has nothing more to report.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
