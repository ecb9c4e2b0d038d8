//! The program: the command line of the library.

use std::process::ExitCode;

/// A request is many small pieces of memory on one thread: see docs/performance.md for what this saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main()
}
