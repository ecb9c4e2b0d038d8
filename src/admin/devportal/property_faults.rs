//! Refusals of a requested client: its missing and its impossible properties.

use http::StatusCode;

use crate::admin::refused::Refused;
use crate::registration::PropertyFault;

/// Refuses a form without a part that it needs.
pub(super) fn missing(field: &str) -> Refused {
    let message = "Required application properties are missing";
    Refused::new(StatusCode::BAD_REQUEST, 901_407, message, format!("`{field}` is missing"))
}

/// Refuses a property.
pub(super) fn invalid_property(fault: &PropertyFault) -> Refused {
    let message = "Invalid additional properties";
    let description = format!("`additionalProperties`: `{}` {}", fault.name, fault.why);
    Refused::new(StatusCode::BAD_REQUEST, 901_410, message, description)
}
