//! `portcullis man`: the manual pages, made from the same definitions as `--help`.

use clap_mangen::Man;

use crate::cli::arguments::ManOptions;
use crate::cli::exit;
use crate::cli::output::Output;

/// Prints the page of the program, or writes the pages of all commands. Exits 0, or 2 if the
/// folder cannot be written.
pub(super) fn man(command: clap::Command, options: &ManOptions, output: Output) -> u8 {
    let Some(folder) = &options.folder else {
        let mut page = Vec::new();
        // writing to memory cannot fail
        let _ = Man::new(command).render(&mut page);
        output.line(String::from_utf8_lossy(&page).trim_end());
        return exit::OK;
    };
    if let Err(error) = clap_mangen::generate_to(command, folder) {
        output.note(&format!("portcullis: {} cannot be written: {error}", folder.display()));
        return exit::CONFIGURATION;
    }
    exit::OK
}
