//! What goes over the socket: questions, news, and the lines they are written in.

pub mod ask;
pub mod line;
pub mod news;
