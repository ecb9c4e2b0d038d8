//! The HTTP statuses that have a cell of their own: those registered with IANA (RFC 9110 16.2), and
//! 499 for a client that left. Backends may send any number, so the rest shares one cell: a backend
//! cannot add series.

/// The statuses, sorted; the position of a status is its cell.
const REGISTERED: [u16; 63] = [
    100, 101, 102, 103, 104, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303,
    304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414,
    415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504,
    505, 506, 507, 508, 510, 511,
];

/// The number of cells: one for each registered status, and the last for all others.
pub(super) const STATUS_CELLS: usize = REGISTERED.len() + 1;

/// The cell of a status.
pub(super) fn cell_of(status: u16) -> usize {
    REGISTERED.binary_search(&status).unwrap_or(REGISTERED.len())
}

/// Returns the status of a cell, or `None` for the cell of all others.
pub(super) fn status_of(cell: usize) -> Option<u16> {
    REGISTERED.get(cell).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registered_status_has_its_own_cell() {
        assert!(REGISTERED.is_sorted_by(|a, b| a < b));
        for status in REGISTERED {
            assert_eq!(status_of(cell_of(status)), Some(status));
        }
    }

    #[test]
    fn any_other_number_shares_the_last_cell() {
        for status in [0, 99, 105, 299, 418, 512, 999, u16::MAX] {
            assert_eq!(cell_of(status), STATUS_CELLS - 1, "{status}");
        }
        assert_eq!(status_of(STATUS_CELLS - 1), None);
    }
}
