//! Streams: event streams, WebSocket, gRPC, and their end with the token.

mod grpc;
mod query_token;
mod responses;
mod silence;
mod token_watch;
mod websocket;
