//! Holds the documents against the program: names, defaults, links, blocks and commands.
#![cfg(test)]

mod administration;
mod blocks;
mod commands;
mod keys;
mod links;
mod pages;
mod provisioning;
mod reasons;
mod runs;
