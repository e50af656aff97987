//! The client against a scripted server: what it sends, what it makes of every bad answer, and what it counts.

mod data;
mod emulator;
mod faults;
mod script;
mod session;
