//! Clients at authorization servers: created, read, changed and deleted on behalf of applications
//! (RFC 7591, RFC 7592, and the registration service of WSO2 Identity Server).
