//! The command line.
//!
//! The files: [`arguments`], then one for each command: [`run`], [`check`], [`demo`], [`reload`],
//! [`plan`], [`store`], [`explain`], [`import`], [`jwk`], [`healthcheck`], [`man`]. [`control`]
//! asks a running gateway.

mod arguments;
mod check;
mod control;
mod demo;
mod exit;
mod explain;
mod healthcheck;
mod import;
mod jwk;
mod man;
mod output;
mod plan;
mod registration;
mod reload;
mod run;
mod runtime;
mod store;
mod token_file;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::arguments::{Arguments, CliCommand};
use crate::cli::output::Output;

/// Returns the definitions of all commands and options, for completions and documentation.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::of_process();
    let code = match arguments.command {
        CliCommand::Run => run::run(&arguments.config, output),
        CliCommand::Check(options) => check::check(&arguments.config, &options, output),
        CliCommand::Reload(options) => reload::reload(&arguments.config, &options, output),
        CliCommand::Plan(options) => plan::plan(&arguments.config, &options, output),
        CliCommand::Store { command } => store::store(&arguments.config, &command, output),
        CliCommand::Demo => demo::demo(&arguments.config, output),
        CliCommand::Schema => {
            output
                .line(&serde_json::to_string_pretty(&crate::config::schema()).unwrap_or_default());
            exit::OK
        }
        CliCommand::Explain(options) => explain::explain(&arguments.config, &options, output),
        CliCommand::Import(options) => import::import(&options, output),
        CliCommand::Jwk(options) => jwk::jwk(&options, output),
        CliCommand::Healthcheck(options) => {
            healthcheck::healthcheck(&arguments.config, &options, output)
        }
        CliCommand::Completions { shell } => {
            clap_complete::generate(shell, &mut command(), "portcullis", &mut std::io::stdout());
            exit::OK
        }
        CliCommand::Man(options) => man::man(command(), &options, output),
    };
    ExitCode::from(code)
}
