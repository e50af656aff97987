//! Rendering of `/sobjects`, `/sobjects/X` and `/sobjects/X/describe`.
