//! The map of the house, held against the code: who imports whom, how long things are, and what they are called.
#![cfg(test)]

mod allowances;
mod imports;
mod rooms;
mod sizes;
mod sources;
mod words;
