//! Holds the documents against the program: names, defaults, links, blocks and commands.
#![cfg(test)]

mod blocks;
mod commands;
mod journeys;
mod keys;
mod links;
mod pages;
mod reasons;
mod runs;
