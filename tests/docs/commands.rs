//! Every command and option is documented once, and every command line on the pages is one that the program reads.

use std::collections::BTreeSet;

use clap::Command;
use portcullis::cli;

use crate::pages::{Page, code_spans, one_code_span, page, pages, root};

#[test]
fn every_command_is_documented_once() {
    let rows = page("operations.md").rows(&["command", "effect", "exit codes"]);
    let documented: Vec<&str> =
        rows.iter().map(|row| one_code_span(&row.cells[0]).expect("a command")).collect();
    let program = cli::command();
    let commands: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
    assert_eq!(sorted(documented), sorted(commands));
}

#[test]
fn every_option_is_documented_once() {
    let rows = page("operations.md").rows(&["command", "option", "meaning"]);
    let documented: Vec<String> = rows.iter().map(|row| row.cells[..2].join(" ")).collect();
    let program = cli::command();
    let mut options = vec!["all `--config`".to_owned()];
    for command in program.get_subcommands() {
        let own = options_of(command).into_iter().filter(|option| option != "config");
        options.extend(own.map(|option| format!("`{}` `--{option}`", command.get_name())));
    }
    assert_eq!(sorted(documented), sorted(options));
}

#[test]
fn every_command_line_is_read() {
    let mut read = 0;
    for page in pages() {
        // a journey is a whole script, which a test of its own runs
        let journeys = ["run: provisioning", "run: administration", "run: publishing"];
        let blocks = page.blocks("sh").into_iter();
        let blocks: Vec<_> =
            blocks.filter(|block| !journeys.contains(&block.mark.as_str())).collect();
        for line in blocks.iter().flat_map(|block| lines(&block.text)) {
            for words in commands(&line) {
                read += usize::from(check(&page, &line, &words));
            }
        }
    }
    assert!(read >= 20, "{read}");
}

#[test]
fn no_command_line_stands_outside_a_shell_block() {
    for page in pages() {
        for line in page.prose().iter().filter(|line| line.starts_with("    ")) {
            let first = line.split_whitespace().next().unwrap_or_default();
            let bare = matches!(first, "portcullis" | "curl" | "cargo");
            assert!(!bare, "{}: use a block of sh for {line:?}", page.name());
        }
    }
}

#[test]
fn commands_that_the_text_names_exist() {
    let program = cli::command();
    for page in pages() {
        for span in code_spans(&page.prose().join("\n")) {
            let Some(rest) = span.strip_prefix("portcullis ") else { continue };
            let name = rest.split_whitespace().find(|word| !word.starts_with('-'));
            let command = name.and_then(|name| program.find_subcommand(name));
            let command = command.unwrap_or_else(|| panic!("{}: `{span}`", page.name()));
            for option in rest.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                let known = options_of(command).contains(option) || option == "config";
                assert!(known, "{}: `{span}`", page.name());
            }
        }
    }
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

fn options_of(command: &Command) -> BTreeSet<String> {
    let long = command.get_arguments().filter_map(|argument| argument.get_long());
    long.filter(|name| !matches!(*name, "help" | "version")).map(str::to_owned).collect()
}

/// Reads one command with the program's own definitions; a script must exist. Says whether it is the program's.
fn check(page: &Page, line: &str, words: &[String]) -> bool {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let arguments = match first {
        "portcullis" => &words[1..],
        "cargo" if words.get(1).is_some_and(|word| word == "test") => return false,
        "cargo" => match words.iter().position(|word| word == "--") {
            Some(at) => &words[at + 1..],
            None => return false,
        },
        "bash" | "python3" => return script(page, &words[1]),
        _ if first.contains('/') => return script(page, first),
        "curl" | "kill" | "openssl" | "st" => return false,
        _ => panic!("{}: is {first:?} a command? {line}", page.name()),
    };
    let all = std::iter::once("portcullis").chain(arguments.iter().map(String::as_str));
    cli::command()
        .try_get_matches_from(all)
        .unwrap_or_else(|error| panic!("{}: {line}\n{error}", page.name()));
    true
}

fn script(page: &Page, path: &str) -> bool {
    assert!(root().join(path).is_file(), "{}: no file {path}", page.name());
    false
}

/// The lines of a block, continued ones in one piece.
pub(crate) fn lines(block: &str) -> Vec<String> {
    let whole = block.replace("\\\n", " ");
    whole.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// The simple commands of a line, as words: enough of a shell for what the pages write.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let (mut word, mut quote, mut written) = (String::new(), None, false);
    let mut skip = false;
    for c in line.chars().chain([' ']) {
        match (c, quote) {
            ('\'' | '"', None) => (quote, written) = (Some(c), true),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) if word.is_empty() => break,
            (' ' | '|' | '&' | ';' | '>' | '<', None) => {
                if written || !word.is_empty() {
                    let word = std::mem::take(&mut word);
                    if !std::mem::take(&mut skip) {
                        commands.last_mut().unwrap().push(word);
                    }
                    written = false;
                }
                match c {
                    '|' | '&' | ';' => commands.push(Vec::new()),
                    // the file of a redirection is no argument
                    '>' | '<' => skip = true,
                    _ => {}
                }
            }
            (c, _) => word.push(c),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}
